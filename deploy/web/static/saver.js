// Stores one frame's changes one after the other. What was changed while a store was under way goes with the next.

import { Refused, putLabel } from "./api.js";
import { fromLabel, same } from "./marks.js";

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const HOPELESS = [400, 401, 403, 404, 413, 415, 422];

export class Saver {
  // tell(state, text): "saving", "saved", "failed". conflict(now): what another has stored meanwhile.
  constructor(frame, version, { tell, conflict, saved }) {
    Object.assign(this, { frame, version, tell, conflict, saved });
    this.wanted = null;
    this.busy = false;
    this.stopped = false;
    this.tries = 0;
    this.refusal = null;
  }

  get idle() {
    return !this.busy && this.wanted === null;
  }

  save(marks, split) {
    this.wanted = { marks, split };
    if (!this.busy && !this.stopped) this.#run();
  }

  // After a conflict: store on top of what another stored, or leave that as it is.
  resume(version, keep) {
    this.version = version;
    this.stopped = false;
    if (!keep) this.wanted = null;
    else if (this.wanted) this.#run();
    if (this.idle) this.tell("saved");
  }

  async #run() {
    this.busy = true;
    this.refusal = null;
    this.tell("saving");
    while (this.wanted && !this.stopped) {
      const sent = this.wanted;
      try {
        const state = await putLabel(this.frame, { version: this.version, ...sent });
        this.version = state.version;
        this.tries = 0;
        if (this.wanted === sent) this.wanted = null;
        this.saved(state);
      } catch (error) {
        await this.#heed(error, sent);
      }
    }
    this.busy = false;
    if (this.refusal) this.tell("failed", this.refusal);
    else if (!this.wanted) this.tell("saved");
  }

  async #heed(error, sent) {
    if (error instanceof Refused && error.status === 409 && error.now) {
      // What was sent may have been stored, and the answer lost on its way.
      if (this.tries > 0 && same(fromLabel(error.now.label), sent.marks)) {
        this.version = error.now.version;
        this.tries = 0;
        return;
      }
      this.stopped = true;
      this.conflict(error.now, error.message);
    } else if (error instanceof Refused && HOPELESS.includes(error.status)) {
      this.wanted = null;
      this.refusal = `Not stored: ${error.message}`;
    } else {
      this.tell("failed", "Not stored yet: the server does not answer. Trying again.");
      await new Promise((done) => setTimeout(done, RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)]));
    }
  }
}
