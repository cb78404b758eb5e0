from karyocyte.common.text import class_sizes, counted, one_line


def test_numbers_of_things():
    assert [counted(count, "cell") for count in (0, 1, 1234)] == ["0 cells", "1 cell", "1,234 cells"]


def test_control_characters_are_written_as_escapes():
    assert one_line("染色体 é.png") == "染色体 é.png"
    assert one_line("a\nb\x1b[2J\t\udcff") == "a\\nb\\x1b[2J\\t\\udcff"


def test_a_class_called_all_is_no_quantifier():
    assert class_sizes({"hem": 1200, "all": 21}) == "1,200 “hem”, 21 “all”"
