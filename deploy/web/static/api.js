// What the page asks the server for. Every answer that is no success is a Refused with the server's reason.

const PATIENCE_MS = 15000;

export class Refused extends Error {
  constructor(status, answer) {
    super(answer.error ?? `the server answered ${status}`);
    this.status = status;
    this.now = answer.now ?? null; // of a conflict: what is there now
  }
}

export async function ask(path, method = "GET", body = undefined, patienceMs = PATIENCE_MS) {
  const answer = await fetch(path, {
    method,
    signal: AbortSignal.timeout(patienceMs),
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said);
  return said;
}

export const SLOW_MS = 60000; // a model is loaded, and looks
const at = (frame) => "/label/frames/" + frame.split("/").map(encodeURIComponent).join("/");

export const project = () => ask("/label/project");
export const defineKeypoints = (entries) => ask("/label/keypoints", "PUT", entries);
export const frame = (name) => ask(at(name));
export const predictions = (name) => ask(`${at(name)}/predictions`);
export const guides = (name, marks) => ask(`${at(name)}/guides`, "POST", marks);
export const putLabel = (name, change) => ask(`${at(name)}/label`, "PUT", change);
export const viewAddress = (name, camera) => `${at(name)}/views/${encodeURIComponent(camera)}.png`;
export const thumbnailAddress = (name) => `${at(name)}/thumbnail.png`;
