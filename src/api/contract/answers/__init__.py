"""The answers: what each query and command answers, as the type that is served and documented."""
