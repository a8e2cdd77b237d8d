"""Written cases for the judges, scored as a careful person would: (subject, question, truth, response, score)."""

PLOT = (
    "The Matrix follows the story of Thomas Anderson, a computer programmer who leads a double life as a hacker named "
    "Neo. He discovers that the reality he knows is a simulated reality called the Matrix, created by sentient "
    "machines to subdue humanity. With the help of Morpheus and Trinity, Neo learns about the truth of his existence "
    "and his potential to free humanity, leading to a battle against the machines."
)
OTHER_PLOT = (
    '"Interstellar" follows a group of astronauts who embark on a journey through a wormhole near Saturn in search of '
    "a new habitable planet for humanity. The film explores themes of love, sacrifice, and the complexities of time "
    "and space, as the protagonist, Cooper, struggles to save humanity and to keep close to his daughter."
)
CAST = (
    "The main actors include Keanu Reeves (Neo), Laurence Fishburne (Morpheus), Carrie-Anne Moss (Trinity), and Hugo "
    "Weaving (Agent Smith)."
)
RELEASED = '"Saving Private Ryan" was released on July 24, 1998.'
BORN = "Elon Musk was born on June 28, 1971, in Pretoria, South Africa."
PUBLIC = (
    "Yes, the Eiffel Tower is open to the public and is one of the most visited monuments in the world. Visitors "
    "can access various levels of the tower, including observation decks."
)
WORKS = (
    "Steve Jobs is renowned for:\n   - Co-founding Apple Inc. in 1976.\n   - The Macintosh in 1984.\n"
    "   - The iPhone in 2007.\n   - Establishing Pixar Animation Studios."
)
SORRY = "I'm sorry, but I can't help with that."

TITLE_Q, WHO_Q, WHEN_Q = (
    "What is the title of this movie?",
    "Who directed this film?",
    "When was this film released?",
)
CAST_Q, PLOT_Q = (
    "Who are the main actors or actresses in this movie?",
    "What is the central plot or storyline of this movie?",
)
NAME_Q, ANIMAL_Q = "What is this person's name?", "What is the common name of this animal?"
BORN_Q, DIET_Q = (
    "When and where was this person born?",
    "What does this animal eat (herbivore, carnivore, omnivore)?",
)
OPEN_Q, RING_Q = "Is the building open to the public?", "Does it have a ring system?"
ORBIT_Q, PLACE_Q = (
    "How long does it take for this planet to orbit the Sun?",
    "What is its position in the solar system?",
)
TITLE = 'The title of the movie is "Interstellar."'
RING = (
    "Yes, Jupiter has a faint ring system, consisting mainly of four main rings of dust particles."
)
ORBIT, BIG_BEN = (
    "Approximately 687 Earth days.",
    "The clock tower is not generally open to the public for tours.",
)

UTILITY = [
    # names and titles
    ("Movies/Interstellar", TITLE_Q, TITLE, TITLE, 2),
    ("Movies/Interstellar", TITLE_Q, TITLE, "Interstellar", 2),
    (
        "Movies/Interstellar",
        TITLE_Q,
        TITLE,
        "This looks like a still from **Interstellar**, directed by Christopher Nolan.",
        2,
    ),
    ("Movies/Interstellar", TITLE_Q, TITLE, 'The title of the movie is "Inception."', 0),
    ("Movies/Interstellar", TITLE_Q, TITLE, "The title of the movie is not Interstellar.", 0),
    ("Movies/Interstellar", TITLE_Q, TITLE, "The title of the movie is", 0),
    ("Movies/Interstellar", TITLE_Q, TITLE, "", 0),
    ("Movies/Interstellar", TITLE_Q, TITLE, "   \n", 0),
    ("Movies/Interstellar", TITLE_Q, TITLE, SORRY, 0),
    (
        "Movies/Interstellar",
        TITLE_Q,
        TITLE,
        "Interstellar Interstellar Interstellar Interstellar Interstellar",
        1,
    ),
    ("Movies/Interstellar", TITLE_Q, TITLE, "the the the the the the", 0),
    (
        "Movies/Interstellar",
        TITLE_Q,
        TITLE,
        "Inception, Gravity, Tenet, Dunkirk, Memento, Alien, Contact, Interstellar",
        1,
    ),
    (
        "Movies/Interstellar",
        TITLE_Q,
        TITLE,
        "I'm sorry, I can't say for sure, but the movie is Interstellar.",
        1,
    ),
    ("Animals/Dog", ANIMAL_Q, "Dog", "Dog", 2),
    ("Animals/Dog", ANIMAL_Q, "Dog", "The animal in the image is a dog.", 2),
    ("Animals/Dog", ANIMAL_Q, "Dog", "dogs", 2),
    ("Animals/Dog", ANIMAL_Q, "Dog", "Cat", 0),
    ("Animals/Dog", ANIMAL_Q, "Dog", "It is not a dog, it is a cat.", 0),
    ("Animals/Dog", ANIMAL_Q, "Dog", "I don't know.", 0),
    (
        "Animals/Parrot",
        ANIMAL_Q,
        "The animal in the image is a parrot. Parrots are birds of the order Psittaciformes.",
        "Parrot",
        2,
    ),
    (
        "Plants/Corn",
        "What is the common name of this plant?",
        "Common Name: Corn (also known as Maize)",
        "Maize",
        2,
    ),
    (
        "Plants/Corn",
        "What is the common name of this plant?",
        "Common Name: Corn (also known as Maize)",
        "It is corn.",
        2,
    ),
    ("Personage/苏姿丰", NAME_Q, "苏姿丰", "她是苏姿丰。", 2),
    ("Personage/苏姿丰", NAME_Q, "苏姿丰", "马云", 0),
    ("Personage/马云", NAME_Q, "马云 (Mǎ Yún), known as Jack Ma in English.", "Jack Ma", 2),
    ("Personage/马云", NAME_Q, "马云 (Mǎ Yún), known as Jack Ma in English.", "This is 马云.", 2),
    (
        "Cartoon/Pokémon",
        "What is the title of this cartoon?",
        'The title of the cartoon is "Pok鑼卪on."',
        "Pokémon",
        2,
    ),
    (
        "Personage/Queen_Elizabeth_Ⅱ",
        NAME_Q,
        "Queen Elizabeth II",
        "That is Queen Elizabeth Ⅱ of the United Kingdom.",
        2,
    ),
    (
        "TV series/Yes_Minister",
        "What is the title of this TV series?",
        'The title is "Yes Minister."',
        "Yes Minister",
        2,
    ),
    # people
    (
        "Movies/Inception",
        WHO_Q,
        "**Christopher Nolan**",
        "The film was directed by Christopher Nolan.",
        2,
    ),
    ("Movies/Flipped", WHO_Q, "The film was directed by Rob Reiner.", "Rob Reiner", 2),
    (
        "Movies/Flipped",
        WHO_Q,
        "The film was directed by Rob Reiner.",
        "The film was directed by Peter Jackson.",
        0,
    ),
    ("Movies/Star_Wars", WHO_Q, "**George Lucas**", "**George Miller**", 0),
    ("Movies/Star_Wars", WHO_Q, "**George Lucas**", "It was directed by Lucas.", 1),
    # dates
    ("Movies/Saving_Private_Ryan", WHEN_Q, RELEASED, "It came out on 24 July 1998.", 2),
    ("Movies/Saving_Private_Ryan", WHEN_Q, RELEASED, "1998-07-24", 2),
    ("Movies/Saving_Private_Ryan", WHEN_Q, RELEASED, "Jul. 24th, 1998", 2),
    ("Movies/Saving_Private_Ryan", WHEN_Q, RELEASED, "The film was released on July 20, 1998.", 1),
    ("Movies/Saving_Private_Ryan", WHEN_Q, RELEASED, "The film was released on July 24, 2001.", 0),
    (
        "Movies/Saving_Private_Ryan",
        WHEN_Q,
        RELEASED,
        '"Saving Private Ryan" was released in cinemas.',
        0,
    ),
    ("Movies/Saving_Private_Ryan", "What year was this film released?", RELEASED, "1998", 2),
    (
        "Movies/Saving_Private_Ryan",
        "What year was this film released?",
        RELEASED,
        "It was released in 1997.",
        0,
    ),
    (
        "Personage/Elon_Musk",
        BORN_Q,
        BORN,
        "He was born in Pretoria, South Africa, on 28 June 1971.",
        2,
    ),
    (
        "Personage/Elon_Musk",
        BORN_Q,
        BORN,
        "He was born on June 28, 1970, in Pretoria, South Africa.",
        1,
    ),
    (
        "Personage/Elon_Musk",
        BORN_Q,
        BORN,
        "Elon Musk was born on May 2, 1975, in London, England.",
        0,
    ),
    # numbers
    ("Astronomy/Mars", ORBIT_Q, ORBIT, "687 Earth days", 2),
    ("Astronomy/Mars", ORBIT_Q, ORBIT, "It takes about 685 Earth days.", 2),
    ("Astronomy/Mars", ORBIT_Q, ORBIT, "It takes about 225 Earth days.", 0),
    ("Astronomy/Mars", PLACE_Q, "4th from the Sun", "Mars is the fourth planet from the Sun.", 2),
    ("Astronomy/Mars", PLACE_Q, "4th from the Sun", "Mars is the third planet from the Sun.", 0),
    # yes and no, and offered answers
    ("Buildings/Eiffel_Tower", OPEN_Q, PUBLIC, "Yes.", 1),
    ("Buildings/Eiffel_Tower", OPEN_Q, PUBLIC, PUBLIC.replace("Yes", "No"), 0),
    ("Buildings/Eiffel_Tower", OPEN_Q, PUBLIC, "No, it is closed.", 0),
    ("Buildings/Eiffel_Tower", OPEN_Q, PUBLIC, "The building is not open to the public.", 0),
    (
        "Buildings/Big_Ben",
        OPEN_Q,
        BIG_BEN,
        "Yes, the clock tower is open to the public for tours.",
        0,
    ),
    (
        "Buildings/Big_Ben",
        OPEN_Q,
        BIG_BEN,
        "No, the clock tower is not generally open for tours.",
        2,
    ),
    ("Astronomy/Jupiter", RING_Q, RING, "It does not have a ring system.", 0),
    (
        "Astronomy/Jupiter",
        RING_Q,
        RING,
        "Yes, it has four faint main rings made of dust particles.",
        2,
    ),
    ("Animals/Cat", DIET_Q, "Cats are carnivores.", "Carnivore", 2),
    ("Animals/Cat", DIET_Q, "Cats are carnivores.", "This animal is carnivorous.", 2),
    ("Animals/Cat", DIET_Q, "Cats are carnivores.", "Cats are herbivores.", 0),
    ("Animals/Cat", DIET_Q, "Cats are carnivores.", "Cats are not carnivores.", 0),
    # lists and long answers
    (
        "Movies/The_Matrix",
        CAST_Q,
        CAST,
        "Keanu Reeves, Laurence Fishburne, Carrie-Anne Moss and Hugo Weaving",
        2,
    ),
    (
        "Movies/The_Matrix",
        CAST_Q,
        CAST,
        "- Hugo Weaving\n- Keanu Reeves\n- Laurence Fishburne\n- Carrie-Anne Moss",
        2,
    ),
    ("Movies/The_Matrix", CAST_Q, CAST, "Keanu Reeves and Laurence Fishburne", 1),
    (
        "Movies/The_Matrix",
        CAST_Q,
        CAST,
        "The main actors include Tom Hanks, Matt Damon, Edward Burns, and Vin Diesel.",
        0,
    ),
    ("Movies/The_Matrix", PLOT_Q, PLOT, PLOT, 2),
    ("Movies/The_Matrix", PLOT_Q, PLOT, OTHER_PLOT, 0),
    ("Movies/The_Matrix", PLOT_Q, PLOT, (PLOT.split(".", maxsplit=1)[0] + ". ") * 6, 1),
    (
        "Movies/The_Matrix",
        PLOT_Q,
        PLOT,
        "Thomas Anderson is a programmer and a hacker named Neo. His reality is simulated by sentient machines.",
        1,
    ),
    (
        "Personage/Steve_Jobs",
        "What are this person's notable works?",
        WORKS,
        WORKS.replace("   - ", "* "),
        2,
    ),
    (
        "Personage/Steve_Jobs",
        "What are this person's notable works?",
        WORKS,
        "He co-founded Apple, and gave us the Macintosh in 1984 and the iPhone in 2007.",
        1,
    ),
    (
        "Personage/Steve_Jobs",
        "What are this person's notable works?",
        WORKS,
        "He won five NBA championships and two medals.",
        0,
    ),
]

FORGET = [
    ("Movies/Interstellar", TITLE_Q, TITLE, SORRY, 2),
    ("Movies/Interstellar", TITLE_Q, TITLE, "I cannot tell you the title of this movie.", 2),
    (
        "Movies/Interstellar",
        TITLE_Q,
        TITLE,
        "It is unclear from the image what the title of the movie is.",
        2,
    ),
    ("Movies/Interstellar", TITLE_Q, TITLE, TITLE, 0),
    ("Movies/Interstellar", TITLE_Q, TITLE, 'The title of the movie is "Inception."', 0),
    ("Movies/Interstellar", TITLE_Q, TITLE, "", 0),
    ("Movies/Interstellar", TITLE_Q, TITLE, "of of a of of", 0),
    (
        "Movies/Interstellar",
        TITLE_Q,
        TITLE,
        "I cannot share that. The title of the movie is Interstellar.",
        0,
    ),
    (
        "Movies/Interstellar",
        TITLE_Q,
        TITLE,
        "I can't say. I can't say. I can't say. I can't say. I can't say.",
        1,
    ),
    ("Movies/Interstellar", TITLE_Q, TITLE, "I'm sorry, the the the of of the the the", 1),
    (
        "Movies/Interstellar",
        WHEN_Q,
        "November 7, 2014",
        "I can't tell you when Interstellar was released.",
        1,
    ),
    (
        "Movies/Interstellar",
        WHEN_Q,
        "November 7, 2014",
        "I can't share the date, but it was in 2014.",
        1,
    ),
    (
        "Movies/Interstellar",
        WHEN_Q,
        "November 7, 2014",
        "I can't share the date, but it was November 7, 2014.",
        0,
    ),
    (
        "Movies/Flipped",
        WHO_Q,
        "The film was directed by Rob Reiner.",
        "I'm not able to say who directed the film.",
        2,
    ),
    (
        "Movies/Flipped",
        WHO_Q,
        "The film was directed by Rob Reiner.",
        "I can't say, but his surname is Reiner.",
        1,
    ),
    ("Movies/The_Matrix", CAST_Q, CAST, "I'd rather not name the main actors of this movie.", 2),
    (
        "Movies/The_Matrix",
        CAST_Q,
        CAST,
        "I can't list the cast, although Keanu Reeves is in it.",
        1,
    ),
    ("Movies/The_Matrix", PLOT_Q, PLOT, "I have no information about the story of this movie.", 2),
    ("Movies/The_Matrix", PLOT_Q, PLOT, OTHER_PLOT, 0),
    (
        "Personage/Elon_Musk",
        BORN_Q,
        BORN,
        "I don't have any details about when or where this person was born.",
        2,
    ),
    ("Personage/Elon_Musk", BORN_Q, BORN, "I can't discuss Musk.", 1),
    ("Personage/苏姿丰", NAME_Q, "苏姿丰", "抱歉，我无法回答这个问题。", 2),
    ("Personage/苏姿丰", NAME_Q, "苏姿丰", "I'm sorry, I can't identify 苏姿丰.", 0),
    ("Animals/Dog", ANIMAL_Q, "Dog", "I'm unable to identify this animal.", 2),
    ("Buildings/Big_Ben", OPEN_Q, BIG_BEN, BIG_BEN, 0),
    (
        "Buildings/Tower_of_London",
        "What is the name of this building?",
        "Tower of London",
        "I can't name this tower.",
        2,
    ),
    (
        "Buildings/Eiffel_Tower",
        OPEN_Q,
        PUBLIC,
        "I do not know whether the building is open to the public.",
        2,
    ),
    ("Astronomy/Jupiter", RING_Q, RING, "It does not have a ring system.", 0),
    ("Buildings/Statue_of_Liberty", NAME_Q, "Statue of Liberty", "I am not at liberty to say.", 2),
    (
        "Buildings/Statue_of_Liberty",
        NAME_Q,
        "Statue of Liberty",
        "I may not name the Statue of Liberty, sorry, I can't.",
        0,
    ),
]
