"""The table of wrong calls."""

from evaluation.error_analysis.misclassified import wrong_cases
from tests.helpers.predictions import make_predictions, with_passes, with_scores


def test_the_surest_mistake_stands_first():
    run = with_scores([0, 1, 1, None, 0, 1], [0.7, 0.05, 0.9, 0.9, 0.99, 0.5])
    run.frame["kind"] = [None, "trisomy 21", None, None, None, None]
    found = wrong_cases(run)
    assert found["image_id"].tolist() == ["image_00004", "image_00001", "image_00000"]
    assert found["predicted"].tolist() == ["all", "hem", "all"]
    assert found["actual"].tolist() == ["hem", "all", "hem"]
    assert found["probability"].tolist() == [0.99, 0.95, 0.7]
    assert found["kind"][1] == "trisomy 21"
    assert found["vote_share"].isna().all()
    assert found["row"].tolist() == [4, 1, 0]


def test_with_passes_the_majority_calls():
    run = with_passes(make_predictions(images=200, skill=0.4), noise=3.0)
    found, frame = wrong_cases(run), run.frame
    wrong = frame["sampled_label"] != frame["label"]
    assert set(found["image_id"]) == set(frame.loc[wrong, "image_id"])
    assert found["joint_confidence"].is_monotonic_decreasing
    rows = frame.set_index("image_id").loc[found["image_id"]]
    assert (rows["sampled_label"].to_numpy() == found["predicted"].to_numpy()).all()
    assert (rows["sampled_votes"].to_numpy() == found["vote_share"].to_numpy()).all()
    means = [row[f"sampled_prob_{row['sampled_label']}"] for _, row in rows.iterrows()]
    assert found["mean_probability"].tolist() == means
    assert (frame["image_id"].iloc[found["row"]].to_numpy() == found["image_id"].to_numpy()).all()


def test_without_a_mistake_it_is_empty():
    assert wrong_cases(with_scores([0, 1], [0.1, 0.9])).empty
