"""Large fault campaigns, with the mechanisms of tests/robustness; one JSON document on stdout.

python tools/campaign.py kills --n 1000             kill runs at random moments, resume, compare content hashes
python tools/campaign.py fuzz --format idx --n 100000 --keep DIR     (idx npz csv images config hdf5 result)
python tools/campaign.py fuzz --n 10000             every format
Exit code 1 if a promise was broken.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))
sys.path.remove(str(Path(__file__).resolve().parent))

from robustness import fuzz  # noqa: E402


def kills(n, seed):
    """The runs are forked, so they get a process without threads."""
    command = [sys.executable, str(TESTS / "robustness" / "kills.py"), str(n), str(seed)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    counts = json.loads(done.stdout)
    bad = ("different", "failed_attempts", "broken_result", "broken_checkpoint", "left_over")
    return {"campaign": "kills", "n": n, "seed": seed, "counts": counts}, not any(counts.get(k) for k in bad)


def fuzzed(kind, n, seed, keep):
    with tempfile.TemporaryDirectory() as folder:
        report = fuzz.run(kind, n, seed, folder, keep)
    return {"campaign": "fuzz"} | report, set(report["counts"]) <= {"read", "refused"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("campaign", choices=("kills", "fuzz"))
    parser.add_argument("--format", choices=tuple(fuzz.FORMATS), help="default: every one, after another")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="folder for the files that broke a promise")
    args = parser.parse_args()
    reports, fine = [], True
    for kind in [args.format] if args.format else fuzz.FORMATS if args.campaign == "fuzz" else [None]:
        start, cpu = time.perf_counter(), time.process_time()
        if args.campaign == "kills":
            report, good = kills(args.n, args.seed)
        else:
            report, good = fuzzed(kind, args.n, args.seed, args.keep)
        report |= {"wall_s": round(time.perf_counter() - start, 1), "cpu_s": round(time.process_time() - cpu, 1)}
        reports.append(report)
        fine &= good
    sys.stdout.write(json.dumps(reports, indent=1) + "\n")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
