from karyocyte.common.text import one_line


def test_control_characters_are_written_as_escapes():
    assert one_line("染色体 é.png") == "染色体 é.png"
    assert one_line("a\nb\x1b[2J\t\udcff") == "a\\nb\\x1b[2J\\t\\udcff"
