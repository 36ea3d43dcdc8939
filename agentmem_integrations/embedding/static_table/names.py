"""First names that are common where English is spoken.

They are rows of the table that are not learned, see `fit.py`. Names that are also everyday words or places, such as Rose or
Sydney, are not among the others.
"""

IN_SENTENCES = """\
Aaron Abigail Adam Aisha Alan Alex Alice Amanda Amir Amy Ana Andrea Andrew Angela Anna Anthony Antonio Arthur Ben Beth Bianca Brian
Bruce Carla Carlos Carmen Charlotte Chen Chloe Chris Claire Clara Daniel Daniela David Deborah Diana Diego Dylan Edith Elena Eli
Elizabeth Ella Emily Emma Eric Eva Fatima Felix Fiona Frank Gabriel George Grace Greta Hana Hannah Harry Hassan Helen Henry Hugo Ian
Ines Ingrid Irene Isaac Isabel Ivan Jack Jacob James Jane Jasmine Jason Jenny Jessica John Jonas Joseph Joshua Julia Karen Kate
Kevin Kim Kumar Laura Lena Leo Liam Linda Lisa Louis Lucas Lucy Luis Magnus Marco Maria Mark Martha Martin Mary Matthew Max Maya
Michael Miguel Mia Mohammed Monica Nadia Nancy Natalie Nathan Nicholas Nina Noah Nora Olga Oliver Omar Oscar Pablo Patrick Paul
Pedro Peter Priya Rachel Raj Rebecca Richard Rita Robert Rosa Ruth Ryan Sam Samuel Sara Sarah Simon Sofia Sophie Stephen Susan Tanya
Teresa Thomas Tim Tom Tony Vera Victor Vincent Wei William Yuki Yusuf Zoe""".split()  # who speaks, and is spoken of, in `sentences.py`

OTHERS = """\
Albert Alexander Alexis Alfred Alison Allison Amelia Anita Annie Ashley Audrey Ava Barbara Bella Benjamin Bernard Betty Billy Bob
Brandon Brenda Brittany Brooke Bryan Caleb Cameron Carl Carol Caroline Catherine Cathy Charles Charlie Cheryl Christina Christine
Christopher Cindy Cody Connor Courtney Craig Curtis Cynthia Dave Debra Dennis Derek Donald Donna Doris Dorothy Doug Douglas Dustin
Eddie Edward Edwin Eileen Eleanor Ellen Emilia Erica Erik Ethan Eugene Evan Evelyn Frances Fred Gabriella Gary Gavin Gina Glenn
Gloria Gordon Greg Gregory Harold Heather Heidi Henrik Holly Howard Ivy Jake Janet Janice Jared Jay Jean Jeff Jeffrey Jen Jennifer
Jeremy Jerry Jill Jim Jimmy Joan Joanna Joe Joel Johnny Jon Jonathan Joyce Juan Judith Judy Justin Karl Katherine Kathleen Kathryn
Katie Keith Kelly Kenneth Kenny Kristen Kyle Larry Lauren Laurie Lawrence Leah Leonard Leslie Lewis Lily Logan Lorraine Louise Luke
Lydia Lynn Maggie Malcolm Marcus Margaret Marie Marilyn Marion Marjorie Martina Marvin Mason Matt Megan Melanie Melissa Mike
Mitchell Mohamed Molly Morgan Naomi Nate Nathaniel Neil Nick Nicole Norma Norman Olivia Pamela Patricia Patty Paula Phil Philip
Phillip Phyllis Rafael Ralph Randy Raymond Rebekah Rick Robin Rodney Roger Ron Ronald Roy Russell Samantha Sandra Scott Sean
Sebastian Seth Shane Shannon Sharon Shawn Sheila Shirley Sidney Stacy Stanley Stella Stephanie Steve Steven Stuart Sue Sylvia Tara
Ted Terry Theodore Theresa Tiffany Timothy Tina Todd Tracy Travis Trevor Tyler Valerie Vanessa Veronica Vicky Vivian Walter Wanda
Wayne Wendy Wesley Willie Yvonne Zach Zachary""".split()

ALSO_WORDS = {"Diego", "Mark", "Max"}
FIRST_NAMES = sorted({*IN_SENTENCES, *OTHERS} - ALSO_WORDS)
