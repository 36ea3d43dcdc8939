"""First names: who speaks in the everyday sentences, and which rows of the table are not learned (`fit.py` says why).

A list from a census and a rule from a dictionary, so that nothing that memories are evaluated on has a say in it: the 300 most common
names of women and the 300 of men in the census of the United States of 1990 (public domain), and those in the sentences, except
for names that the texts tagged by WordNet's authors have as another word or a place five times or more, such as Rose or Virginia.
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

OF_THE_CENSUS = """\
Adrian Agnes Albert Alberto Alexander Alfred Alfredo Alicia Allan Allen Allison Alma Alvin Amber Andre Andy Angel Anita Ann
Anne Annette Annie Arlene Armando Arnold Ashley Audrey Barbara Barry Beatrice Becky Benjamin Bernard Bernice Bertha Bessie
Betty Beverly Billie Billy Bobbie Bobby Bonnie Brad Bradley Brandon Brandy Brenda Brent Brett Brittany Bryan Byron Calvin
Carl Carol Carole Caroline Carolyn Carrie Casey Cassandra Catherine Cathy Cecil Chad Charlene Charles Charlie Cheryl Chester
Christina Christine Christopher Christy Cindy Clarence Claude Claudia Clayton Clifford Clifton Clinton Clyde Cody Colleen
Connie Constance Corey Cory Courtney Craig Curtis Cynthia Daisy Dale Dan Dana Danielle Danny Darlene Darrell Darren Darryl
Daryl Dave Dean Deanna Debbie Debra Delores Denise Dennis Derek Derrick Diane Dianne Dolores Don Donald Donna Dora Doris
Dorothy Douglas Duane Dustin Dwayne Dwight Earl Eddie Edgar Edna Eduardo Edward Edwin Eileen Elaine Eleanor Ellen Elmer Elsie
Enrique Erica Erik Erika Erin Ernest Esther Ethel Eugene Evelyn Everett Felicia Fernando Florence Floyd Frances Francis
Francisco Franklin Fred Freddie Frederick Gail Gary Gene Gerald Geraldine Gertrude Gilbert Gina Gladys Glen Glenda Glenn
Gloria Gordon Greg Gregory Guy Gwendolyn Harold Harvey Hazel Heather Hector Heidi Herbert Herman Hilda Holly Howard Hugh Ida
Irma Jackie Jacqueline Jaime Jamie Janet Janice Jared Javier Jay Jean Jeanette Jeanne Jeff Jeffery Jeffrey Jennie Jennifer
Jeremy Jerome Jerry Jesse Jessie Jesus Jill Jim Jimmie Jimmy Jo Joan Joann Joanne Joe Joel Johnnie Johnny Jon Jonathan Jordan
Jorge Jose Josephine Joyce Juan Juanita Judith Judy Julian Julie Julio Justin Karl Katherine Kathleen Kathryn Kathy Katie
Katrina Kay Keith Kelly Ken Kenneth Kent Kimberly Kirk Kristen Kristin Kristina Kurt Kyle Lance Larry Lauren Laurie Lawrence
Leah Lee Leon Leona Leonard Leroy Leslie Lester Lewis Lillian Lillie Lloyd Lois Lonnie Loretta Lori Lorraine Louise Lucille
Lydia Lynn Mabel Mae Manuel Marc Marcia Marcus Margaret Margie Marian Marie Marilyn Mario Marion Marjorie Marlene Marsha
Marshall Marvin Mathew Mattie Maureen Maurice Maxine Megan Melanie Melinda Melissa Melvin Micheal Michele Michelle Mike
Mildred Milton Minnie Miriam Misty Mitchell Morris Myrtle Naomi Nathaniel Neil Nellie Nelson Nicole Norma Norman Pamela
Patricia Patsy Paula Pauline Pearl Peggy Penny Perry Philip Phillip Phyllis Priscilla Rafael Ralph Ramon Ramona Randall Randy
Raul Raymond Regina Reginald Rene Renee Rhonda Ricardo Rick Ricky Roberta Roberto Robin Rodney Roger Roland Ron Ronald Ronnie
Rosemary Ross Roy Ruben Ruby Russell Sally Salvador Samantha Sandra Scott Sean Sergio Seth Shane Shannon Sharon Shawn Sheila
Shelly Sherri Sherry Shirley Sidney Sonia Stacey Stacy Stanley Stella Stephanie Steve Steven Suzanne Sylvia Tamara Tammy Tara
Ted Terrance Terrence Terri Terry Thelma Theodore Theresa Tiffany Timothy Tina Todd Tommy Toni Tonya Tracey Tracy Travis Troy
Tyler Tyrone Valerie Vanessa Velma Vernon Veronica Vicki Vickie Victoria Viola Violet Virgil Vivian Wade Wallace Walter Wanda
Warren Wayne Wendy Wesley Willard Willie Wilma Yolanda Yvonne Zachary
""".split()  # but for those above

ALSO_WORDS = {"Grace", "Mark"}
FIRST_NAMES = sorted({*IN_SENTENCES, *OF_THE_CENSUS} - ALSO_WORDS)
