"""What was measured, as Markdown."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.stream.day import LABELLED, PRUNE_EVERY_S, RATE_HZ, STILL_HOURS, VIEWS, Day
from benchmarks.stream.sampling import BATCH, THREADS, WEB_SHUFFLE, Sampled
from benchmarks.stream.writing import Written

PAGE = Path("docs/benchmarks/stream.md")
ROWS_OF_DAY = 12
FULL = 0.98  # of the most that was stored


def write_section(written: Sequence[Written], frames: int, image_px: int) -> str:
    """The writer."""
    text = (
        f"{frames} frames of the simulated cable cell, four views of {image_px} px, from memory to synced shards. "
        "*Bare* writes the same bytes as the same number of files, each synced; *with encoding* it encodes the same "
        "images first. RAW has nothing to encode, and shows what the writer itself costs."
    )
    header = ["", "frames/s", "MB/s", "of bare", "of bare with encoding"]
    rows = [
        [
            one.encoding,
            f"{one.frames_per_s:,.0f}",
            f"{one.mb_per_s:,.0f}",
            f"{one.of_bare:.2f}",
            f"**{one.of_encoding:.2f}**",
        ]
        for one in written
    ]
    return f"## Writer\n\n{text}\n\n{_table(header, rows)}"


def sample_section(sampled: Sequence[Sampled], frames: int, image_px: int) -> str:
    """The sampler."""
    text = (
        f"Batches of {BATCH} from {frames} frames of four views of {image_px} px, frames/s. *Bare read* reads the very "
        f"bytes that the sampler draws, in the same order and as many threads ({THREADS}), and checks nothing; "
        "*decoded*, it decodes the images as well, which is what training needs. WebDataset reads the same images from "
        f"tar files one after the other, through a buffer of {WEB_SHUFFLE} frames to shuffle, and decodes them by the "
        "same function. *Disk*: the files were dropped from the page cache before each round."
    )
    names = list(sampled[0].frames_per_s)
    header = ["", *names, "sampler of bare read", "of bare read, decoded", "of WebDataset, the faster"]
    rows = [
        [
            f"{one.encoding}, {'memory' if one.cached else 'disk'}",
            *(f"{one.frames_per_s[name]:,.0f}" for name in names),
            f"{one.of_bare:.2f}",
            f"**{one.of_decoding:.2f}**",
            "not installed" if one.of_webdataset is None else f"**{one.of_webdataset:.2f}**",
        ]
        for one in sampled
    ]
    return f"## Sampler\n\n{text}\n\n{_table(header, rows)}"


def day_section(day: Day) -> str:
    """Memory and store over a day."""
    hours = day.moments[-1].hours
    most = max(moment.mb_stored for moment in day.moments)
    full = next(number for number, moment in enumerate(day.moments) if moment.mb_stored > FULL * most)
    late = day.moments[full:]
    later = day.moments[-1].rss_mb - day.moments[len(day.moments) // 2].rss_mb
    growth = late[-1].rss_mb - late[0].rss_mb
    spread = max(moment.rss_mb for moment in late) - min(moment.rss_mb for moment in late)
    text = (
        f"{hours:g} hours of {day.cells} cells at {RATE_HZ} Hz, replayed in {day.seconds / 60:.1f} min: writers, a "
        f"reader, a sampler that drew {day.batches:,} batches, and retention every {PRUNE_EVERY_S // 60} simulated "
        f"minutes, in one process. Images are {VIEWS} views of {day.image_px} px, so that a day fits into minutes; in "
        f"{len(STILL_HOURS)} of 24 hours nothing moves. The budget is {day.budget_mb:g} MB a cell, "
        f"{day.budget_mb * day.cells:g} MB in all."
    )
    facts = [
        f"Written {day.moments[-1].mb_written:,.0f} MB of images; stored never more than {most:,.0f} MB, after "
        f"retention never more than {max(moment.mb_kept for moment in day.moments):,.0f} MB.",
        f"Memory of the process once the store is full, from hour {late[0].hours:g} on: {growth:+.1f} MB to the end, "
        f"{spread:.1f} MB between the least and the most; {later:+.1f} MB in the second half of the time.",
        f"{day.labelled_kept} of {LABELLED} frames labelled in the first hours are there at the end, and unlabelled "
        f"ones up to {day.oldest_hours:.1f} hours old.",
    ]
    every = max(1, len(day.moments) // ROWS_OF_DAY)
    rows = [
        [
            f"{moment.hours:g}",
            f"{moment.frames_written:,}",
            f"{moment.frames_kept:,}",
            f"{moment.mb_written:,.0f}",
            f"{moment.mb_stored:,.0f}",
            f"{moment.mb_kept:,.0f}",
            f"{moment.rss_mb:,.0f}",
            f"{moment.prune_s:.1f}",
        ]
        for moment in day.moments[every - 1 :: every]
    ]
    header = [
        "hour",
        "frames written",
        "kept",
        "MB written",
        "stored before",
        "after retention",
        "memory, MB",
        "pass, s",
    ]
    return f"## A day\n\n{text}\n\n" + "\n".join(f"- {fact}" for fact in facts) + f"\n\n{_table(header, rows)}"


def joined(heading: str, sections: Sequence[str], old: str) -> str:
    """The page: new sections in place of old ones of the same title, the other old ones kept."""
    titles = {section.partition("\n")[0]: section for section in old.split("\n## ")[1:]}
    kept = {f"## {title}": f"## {section.strip()}" for title, section in titles.items()}
    kept |= {section.partition("\n")[0]: section for section in sections}
    order = ["## Writer", "## Sampler", "## A day"]
    return "\n\n".join([heading, *(kept[title] for title in order if title in kept)]) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(["---", *["--:"] * (len(header) - 1)]) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
