"""A collector to look at: prints a line for each span that arrives on port 4318, and how many metrics came."""

import time

from tests.telemetry.collector import Span, collecting

PORT = 4318


def line_of(span: Span) -> str:
    """A span as a line: its trace, its name, its milliseconds, and what it says."""
    says = " ".join(f"{name}={value}" for name, value in span.says.items())
    return f"{span.trace_id[:8]}  {span.name:<48} {(span.ended - span.began) / 1e6:8.2f} ms  {says}"


def main() -> None:
    """Print until interrupted."""
    with collecting(PORT) as collector:
        print(f"A collector listens on {collector.url}", flush=True)
        spans = batches = 0
        while True:
            for span in collector.spans[spans:]:
                print(line_of(span), flush=True)
                spans += 1
            for sender, metrics in collector.metrics[batches:]:
                print(f"{len(metrics)} metrics of {sender['service.name']}", flush=True)
                batches += 1
            time.sleep(0.2)


if __name__ == "__main__":
    main()
