"""Seeds of different streams, parts and numbers of parts are unrelated."""

from itertools import product

from karyocyte.common.seeds import derive_seed


def test_streams_parts_and_their_number_all_matter():
    keys = [("order", *parts) for count in (1, 2, 3) for parts in product(range(4), repeat=count)]
    keys += [("dropout", *parts) for parts in product(range(4), repeat=2)]
    seeds = {derive_seed(*key) for key in keys}
    assert len(seeds) == len(keys)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed("order", 3) != derive_seed("order", 3, 0)
