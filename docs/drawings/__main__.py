"""Draw the pictures of the pages that follow from results/: ``python -m docs.drawings``."""

from docs.drawings import answers, cases, papers, persons, same_cells

answers.draw_leak()
answers.draw_chromosomes()
answers.draw_referral()
answers.draw_own_images()
answers.draw_speed()
persons.draw()
cases.draw()
same_cells.draw()
same_cells.draw_pairs()
for paper in papers.SPLITS:
    papers.draw(paper)
