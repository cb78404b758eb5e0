"""Two networks of the papers in any Trainer: the program of docs/guides/notebook.md."""

import sys

from pytorch_lightning import Trainer

from datamodules import ChromosomeDataModule, CNMCDataModule
from lightning_modules import Classifier, Stage, StagedUnfreezing, create_classifier

chromosomes, cnmc = sys.argv[1:]

data = ChromosomeDataModule(chromosomes, size=227, fit="stretch", crop=False, batch_size=64)
model = create_classifier(experiment="anet_c6_chromosomes")
trainer = Trainer(max_epochs=2)
trainer.fit(model, data)
print(trainer.test(model, data))

cells = CNMCDataModule(cnmc, clahe=True)
model = create_classifier(experiment="resnet50_cut_block5", weights="resnet50_v1.msra_in1k")
finetune = Stage(epochs=2, train=["layer3"], lr=1e-5, batchnorm="frozen")
trainer = Trainer(callbacks=[StagedUnfreezing({"head": 2, "finetune": finetune}, start_from="best")])
trainer.fit(model, cells)
trainer.save_checkpoint("cells.ckpt")
model = Classifier.load_from_checkpoint("cells.ckpt")
print(trainer.test(model, cells))
print(trainer.predict(model, cells))  # of each batch: "index", the row of cells.manifest, and "probability"
