"""Small tickets: stamping against tuned WeasyPrint, and memory at 20,000 tickets.

    python -m bench.tickets [--quick] [--rounds N]

Each contender runs in a fresh process, the two alternate, and CPU seconds (user and system) are
compared by their medians. Tuned WeasyPrint gets the same HTML with absolute boxes, the same
photos from memory, one shared FontConfiguration, chunks of 20 pages, and a merge at the end. A run
counts only when both documents hold the same words and look the same.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from datetime import time as clock_time
from importlib.metadata import version
from pathlib import Path

from PIL import Image, ImageChops

from app.jobs.documents.stamping import tickets as engine
from app.jobs.documents.stamping.fonts import find_fonts
from app.jobs.documents.stamping.photos import print_derivative
from app.jobs.documents.stamping.sheet import MILLIMETRE, grid

CHUNK_PAGES = 20
RATIO_BAR = 40.0
MEMORY_BAR = 250.0
#: Of all pixels at 100 dpi, how many may differ by more than a quarter of the scale.
PIXEL_BAR = 0.005
SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华建文玉兰㛃𬭎𠮷䶮"
SUBJECTS = ("(14) 计算机基础及WPS Office应用", "(24) C语言程序设计", "(66) Python语言程序设计")
#: A comment segment with four bytes of content: it makes each photo's bytes distinct.
COMMENT = b"\xff\xfe\x00\x06"
DISTINCT_PICTURES = 40


def make_photos(folder: Path) -> None:
    """Draw 40 photo-like pictures of about 11 kB each as print derivatives."""
    generator = random.Random(7)
    for index in range(DISTINCT_PICTURES):
        noise = Image.effect_noise((30, 40), 60).resize((480, 640), Image.Resampling.BICUBIC)
        tint = Image.new("RGB", noise.size, tuple(generator.randrange(256) for _ in range(3)))
        picture = Image.blend(Image.merge("RGB", (noise, noise.rotate(180), noise)), tint, 0.4)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=95)
        (folder / f"{index}.jpg").write_bytes(print_derivative(stream.getvalue()))


def make_tickets(count: int, folder: Path) -> Iterator[engine.Ticket]:
    """Yield generated tickets of province 99, each with photo bytes of its own."""
    generator = random.Random(99)
    photos = [(folder / f"{index}.jpg").read_bytes() for index in range(DISTINCT_PICTURES)]
    for index in range(count):
        subject = SUBJECTS[index % len(SUBJECTS)]
        room = index // 300 % 99 + 1
        photo = photos[index % len(photos)]
        yield engine.Ticket(
            number=f"{subject[1:3]}58990701{room:02d}{index % 10000:04d}",
            name=generator.choice(SURNAMES) + "".join(generator.choices(GIVEN, k=2)),
            sex="男" if index % 2 else "女",
            id_type="居民身份证",
            id_number=f"990101200{generator.randrange(10**9):09d}",
            subject=subject,
            site_code="990701",
            site_name="测试市第七考点",
            site_address="测试省测试市科学大道 100 号信息学院实训中心",
            exam_title="2026年9月全国计算机等级考试（NCRE）",
            room_number=f"{room:02d}",
            room_address=f"实训楼 {room + 200} 室",
            sitting=index // 60 % 5 + 1,
            day=date(2026, 9, 19 + index // 60 % 2),
            starts=clock_time(8 + index // 60 % 5 * 2),
            ends=clock_time(9 + index // 60 % 5 * 2, 30),
            photo=photo[:2] + COMMENT + index.to_bytes(4, "big") + photo[2:],
            registration_key=str(index),
        )


def stamp(count: int, folder: Path, target: Path) -> float:
    """Contender: the stamping engine. Returns the CPU second at which the template was ready."""
    engine.small_template()
    ready = time.process_time()
    engine.write_small_tickets(target, make_tickets(count, folder))
    return ready


def stamp_again(count: int, folder: Path, target: Path) -> float:
    """The stamping engine in a worker that finds the compiled template in a file."""
    engine.templates.folder = folder
    return stamp(count, folder, target)


def weasyprint(count: int, folder: Path, target: Path) -> float:
    """Contender: tuned WeasyPrint."""
    import pikepdf  # noqa: PLC0415
    from weasyprint.text.fonts import FontConfiguration  # noqa: PLC0415

    from app.jobs.documents.stamping.preview import preview  # noqa: PLC0415

    ready = time.process_time()
    fonts, html = find_fonts(), engine.small_html()
    sheet = grid(2, 3, (100 * MILLIMETRE, 96 * MILLIMETRE))
    configuration = FontConfiguration()
    records = [engine.small_values(ticket) for ticket in make_tickets(count, folder)]
    step = CHUNK_PAGES * engine.TICKETS_PER_PAGE
    with pikepdf.new() as merged:
        for start in range(0, count, step):
            chunk = io.BytesIO()
            part = records[start : start + step]
            preview(chunk, html, fonts, part, sheet, font_config=configuration)
            with pikepdf.open(chunk) as source:
                merged.pages.extend(source.pages)
        merged.save(target)
    return ready


CONTENDERS = {"stamp": stamp, "weasyprint": weasyprint}
WORKERS = {**CONTENDERS, "stamp again": stamp_again}


def work(name: str, count: int, folder: Path, target: Path) -> None:
    """Run one contender in this process and print its figures as JSON."""
    if name in CONTENDERS:
        import pikepdf  # noqa: F401, PLC0415
        import weasyprint  # noqa: F401, PLC0415

    imported = time.process_time()
    ready = WORKERS[name](count, folder, target)
    end = time.process_time()
    figures = {"work": end - imported, "whole": end, "marginal": end - ready, "peak": peak_memory()}
    print(json.dumps(figures))


def peak_memory() -> float:
    """Return the peak of this process in MB; `getrusage` would count the parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(name: str, count: int, folder: Path, target: Path) -> dict[str, float]:
    """Run one contender in a fresh process. Returns CPU seconds and peak memory in MB."""
    options = ["--count", str(count), "--photos", str(folder), "--target", str(target)]
    command = [sys.executable, "-m", "bench.tickets", "--worker", name, *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def words(document: Path) -> list[str]:
    """Return the words of a PDF in reading order."""
    command = ["pdftotext", "-layout", str(document), "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def pixel_difference(first: Path, second: Path) -> float:
    """Return the share of pixels of page one that differ visibly at 100 dpi."""
    pictures = []
    for document in (first, second):
        command = ["pdftoppm", "-r", "100", "-l", "1", "-gray", str(document)]
        data = subprocess.run(command, check=True, capture_output=True).stdout
        pictures.append(Image.open(io.BytesIO(data)))
    histogram = ImageChops.difference(*pictures).histogram()
    return sum(histogram[65:]) / sum(histogram)


def run(count: int, rounds: int, large: int) -> dict[str, float]:
    """Run both contenders alternately and the memory test; return all figures."""
    times: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder)
        targets = {contender: folder / f"{contender}.pdf" for contender in CONTENDERS}
        for _ in range(rounds):
            for contender, target in targets.items():
                times[contender].append(measure(contender, count, folder, target))
        same = words(targets["stamp"]) == words(targets["weasyprint"])
        difference = pixel_difference(*targets.values())
        measure("stamp again", 6, folder, folder / "again.pdf")  # leaves the template behind
        again = [measure("stamp again", count, folder, folder / "again.pdf") for _ in range(rounds)]
        memory = measure("stamp", large, folder, folder / "large.pdf")
    medians = {
        f"{contender} {key}": statistics.median(one[key] for one in figures)
        for contender, figures in times.items()
        for key in ("work", "whole", "peak")
    }
    marginal = statistics.median(one["marginal"] for one in times["stamp"])
    return {
        **medians,
        "stamp marginal": marginal,
        "ratio with start-up": medians["weasyprint work"] / medians["stamp work"],
        "ratio with imports": medians["weasyprint whole"] / medians["stamp whole"],
        "again whole": statistics.median(one["whole"] for one in again),
        "again peak": statistics.median(one["peak"] for one in again),
        "ratio marginal": medians["weasyprint work"] / marginal,
        "same words": float(same),
        "pixel difference": difference,
        "large peak": memory["peak"],
        "large work": memory["work"],
    }


def report(figures: dict[str, float], count: int, rounds: int, large: int) -> None:
    """Print the figures as lines."""
    print(f"{count} tickets, 6 a page, distinct photos; CPU seconds, median of {rounds}")
    packages = ("weasyprint", "pikepdf", "uharfbuzz", "pillow")
    print(", ".join(f"{package} {version(package)}" for package in packages))
    for contender in CONTENDERS:
        print(
            f"{contender:>12}  work with start-up {figures[f'{contender} work']:7.3f} s   "
            f"with imports {figures[f'{contender} whole']:7.3f} s   "
            f"peak {figures[f'{contender} peak']:4.0f} MB"
        )
    whole = figures["again whole"]
    print(
        f"template kept in a file: whole process {whole:.3f} s, "
        f"peak {figures['again peak']:.0f} MB, ratio {figures['weasyprint whole'] / whole:.0f}"
    )
    print(
        f"ratio with start-up {figures['ratio with start-up']:.0f} (bar {RATIO_BAR:.0f}), "
        f"with imports {figures['ratio with imports']:.0f}, "
        f"marginal {figures['ratio marginal']:.0f}"
    )
    print(f"same words {bool(figures['same words'])}, pixels {figures['pixel difference']:.3%}")
    print(
        f"{large} tickets: {figures['large work']:.2f} CPU seconds, "
        f"peak {figures['large peak']:.0f} MB (bar {MEMORY_BAR:.0f})"
    )


def main() -> int:
    """Parse the command line; return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="60 tickets, one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", choices=sorted(WORKERS), help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--photos", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--target", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.count, options.photos, options.target)
        return 0
    count, rounds, large = (60, 1, 2_000) if options.quick else (600, options.rounds, 20_000)
    figures = run(count, rounds, large)
    report(figures, count, rounds, large)
    same = bool(figures["same words"]) and figures["pixel difference"] < PIXEL_BAR
    fast = options.quick or figures["ratio with start-up"] >= RATIO_BAR
    return 0 if same and fast and figures["large peak"] < MEMORY_BAR else 1


if __name__ == "__main__":
    sys.exit(main())
