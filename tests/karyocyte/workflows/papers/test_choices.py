"""The settings that are ours are told apart from those that the paper prints."""

from karyocyte.workflows.papers.choices import our_choices


def test_settings_are_listed_once_with_the_remark_and_the_number_of_experiments():
    choices = our_choices(["vgg16_cut_block5", "vgg16_features"]).set_index("setting")
    assert choices.loc["loader: {batch_size: 32}", "experiments"] == 2
    assert choices.loc["lr: 1.0e-5", "remark"] == 'ours: "very low" there'
    assert not choices.index.str.contains("prepare").any()  # paper 3.3.1 prints the size
    assert choices.index.is_unique
