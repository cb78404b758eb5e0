"""The table of wrong predictions."""

from evaluation.misclassified import wrong_cases
from tests.helpers.predictions import make_predictions, with_passes, with_scores


def test_the_most_certain_error_comes_first():
    run = with_scores([0, 1, 1, None, 0, 1], [0.7, 0.05, 0.9, 0.9, 0.99, 0.5])
    run.frame["kind"] = [None, "trisomy 21", None, None, None, None]
    table = wrong_cases(run)
    assert table["image_id"].tolist() == ["image_00004", "image_00001", "image_00000"]
    assert table["predicted"].tolist() == ["all", "hem", "all"]
    assert table["actual"].tolist() == ["hem", "all", "hem"]
    assert table["probability"].tolist() == [0.99, 0.95, 0.7]
    assert table["kind"][1] == "trisomy 21"
    assert table["vote_share"].isna().all()
    assert table["row"].tolist() == [4, 1, 0]


def test_with_passes_the_majority_is_the_prediction():
    run = with_passes(make_predictions(images=200, skill=0.4), noise=3.0)
    table = wrong_cases(run)
    frame = run.frame
    wrong = frame["sampled_label"] != frame["label"]
    assert set(table["image_id"]) == set(frame.loc[wrong, "image_id"])
    assert table["joint_confidence"].is_monotonic_decreasing
    rows = frame.set_index("image_id").loc[table["image_id"]]
    assert (rows["sampled_label"].to_numpy() == table["predicted"].to_numpy()).all()
    assert (rows["sampled_votes"].to_numpy() == table["vote_share"].to_numpy()).all()
    means = [row[f"sampled_prob_{row['sampled_label']}"] for _, row in rows.iterrows()]
    assert table["mean_probability"].tolist() == means
    assert (frame["image_id"].iloc[table["row"]].to_numpy() == table["image_id"].to_numpy()).all()


def test_without_an_error_it_is_empty():
    assert wrong_cases(with_scores([0, 1], [0.1, 0.9])).empty
