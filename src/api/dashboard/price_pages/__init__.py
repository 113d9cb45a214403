"""The pages of the price book: its versions and rates, and what another one would have cost."""
