"""What a receipt costs without a database and without HTTP: CPU time of its parts, each in turns with the others.

    .venv/bin/python -m benchmarks.printing

It takes the sample of the tests, an invoice of one payment with two lots, under another headline each time, so that the
printer has laid out none of its lines before.
"""

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from statistics import median
from time import thread_time_ns

from audit.documents.document import body_of, from_attachment
from audit.documents.payment_figures import payment_figures
from audit.documents.printing import Print, print_pdf
from audit.documents.verifying import check_document, check_opened
from ledger.proof.notes import SigningKey, VerifyingKey, sign

TURNS, TIMES = 15, 10
"""Turns of each part, and how often it is done in a turn."""
SAMPLE = Path(__file__).parents[1] / "tests" / "golden" / "documents" / "invoice.2.json"


def parts() -> Mapping[str, Callable[[], object]]:
    """What is done for a receipt, by what it is called."""
    proof = SAMPLE.read_bytes()
    opened = from_attachment(proof)
    evidence = opened.content.evidence
    assert not isinstance(evidence, tuple), "the sample is of a payment"
    keys = [VerifyingKey.parse(evidence.verifying_key)]
    verified, signing, number = check_document(proof, keys), SigningKey.generate("ledger"), count(1)

    def printed(form: int) -> bytes:
        figures = {**payment_figures(verified), "headline": f"EUR {next(number)}.00 paid"}
        return print_pdf(Print("receipt", 1 if form == 1 else 2, figures, proof), "embedded")

    return {
        "signed": lambda: sign(f"{body_of(opened.content).decode()}\n", [signing]),
        "verified": lambda: check_opened(opened, keys),
        "read again, as a verifier does": lambda: check_document(proof, keys),
        "printed in form 1": lambda: printed(1),
        "printed in form 2": lambda: printed(2),
    }


def milliseconds(work: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The median CPU time of each part."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(TURNS):
        for name, once in work.items():
            began = thread_time_ns()
            for _ in range(TIMES):
                once()
            found[name].append((thread_time_ns() - began) / TIMES / 1e6)
    return {name: median(times) for name, times in found.items()}


def main() -> None:
    """Print a line for each part."""
    for name, time in milliseconds(parts()).items():
        print(f"{name}: {time:.2f} ms")


if __name__ == "__main__":
    main()
