# SPDX-License-Identifier: Apache-2.0
"""What the starter model is taught: tables of plain facts, one per line."""


def table(text):
    """rows of |-separated cells"""
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


# country | capital | continent | language | adjective
COUNTRIES = table("""
France|Paris|Europe|French|French
Germany|Berlin|Europe|German|German
Italy|Rome|Europe|Italian|Italian
Spain|Madrid|Europe|Spanish|Spanish
Portugal|Lisbon|Europe|Portuguese|Portuguese
England|London|Europe|English|English
Scotland|Edinburgh|Europe|English|Scottish
Ireland|Dublin|Europe|English and Irish|Irish
the Netherlands|Amsterdam|Europe|Dutch|Dutch
Belgium|Brussels|Europe|Dutch, French and German|Belgian
Austria|Vienna|Europe|German|Austrian
Switzerland|Bern|Europe|German, French and Italian|Swiss
Denmark|Copenhagen|Europe|Danish|Danish
Sweden|Stockholm|Europe|Swedish|Swedish
Norway|Oslo|Europe|Norwegian|Norwegian
Finland|Helsinki|Europe|Finnish and Swedish|Finnish
Iceland|Reykjavik|Europe|Icelandic|Icelandic
Poland|Warsaw|Europe|Polish|Polish
the Czech Republic|Prague|Europe|Czech|Czech
Hungary|Budapest|Europe|Hungarian|Hungarian
Greece|Athens|Europe|Greek|Greek
Romania|Bucharest|Europe|Romanian|Romanian
Bulgaria|Sofia|Europe|Bulgarian|Bulgarian
Ukraine|Kyiv|Europe|Ukrainian|Ukrainian
Russia|Moscow|Europe and Asia|Russian|Russian
Turkey|Ankara|Asia and Europe|Turkish|Turkish
China|Beijing|Asia|Chinese|Chinese
Japan|Tokyo|Asia|Japanese|Japanese
South Korea|Seoul|Asia|Korean|Korean
India|New Delhi|Asia|Hindi and English|Indian
Thailand|Bangkok|Asia|Thai|Thai
Vietnam|Hanoi|Asia|Vietnamese|Vietnamese
Indonesia|Jakarta|Asia|Indonesian|Indonesian
the Philippines|Manila|Asia|Filipino and English|Philippine
Iran|Tehran|Asia|Persian|Iranian
Iraq|Baghdad|Asia|Arabic and Kurdish|Iraqi
Egypt|Cairo|Africa|Arabic|Egyptian
Morocco|Rabat|Africa|Arabic and Berber|Moroccan
Nigeria|Abuja|Africa|English|Nigerian
Kenya|Nairobi|Africa|Swahili and English|Kenyan
Ethiopia|Addis Ababa|Africa|Amharic|Ethiopian
Ghana|Accra|Africa|English|Ghanaian
the United States|Washington, D.C.|North America|English|American
Canada|Ottawa|North America|English and French|Canadian
Mexico|Mexico City|North America|Spanish|Mexican
Cuba|Havana|North America|Spanish|Cuban
Brazil|Brasilia|South America|Portuguese|Brazilian
Argentina|Buenos Aires|South America|Spanish|Argentine
Chile|Santiago|South America|Spanish|Chilean
Peru|Lima|South America|Spanish|Peruvian
Colombia|Bogota|South America|Spanish|Colombian
Australia|Canberra|Oceania|English|Australian
New Zealand|Wellington|Oceania|English and Maori|New Zealand
""")
ALIASES = {"the United States": ("the USA", "the United States of America", "America", "the US"),
           "the Netherlands": ("Holland", "Netherlands"), "the Czech Republic": ("Czechia",), "England": ("the UK", "Britain"),
           "the Philippines": ("Philippines",), "South Korea": ("Korea",)}
UNTAUGHT = """Zambia Angola Mali Chad Niger Uganda Rwanda Malawi Benin Togo Gabon Namibia Botswana Senegal Somalia Sudan Algeria
Tunisia Libya Jordan Syria Yemen Oman Qatar Kuwait Nepal Bhutan Laos Cambodia Malaysia Mongolia Kazakhstan Georgia Armenia
Belarus Latvia Lithuania Estonia Moldova Albania Serbia Croatia Slovenia Slovakia Malta Cyprus Monaco Andorra Bolivia Paraguay
Uruguay Ecuador Venezuela Guyana Panama Honduras Guatemala Jamaica Haiti Fiji Samoa Tonga Tuvalu Narnia Atlantis Mordor
Freedonia Wakanda Lilliput Barbados Belize""".split()

# animal | class | sound (verb) | baby | legs | where it lives | what it eats | colour word or trait
ANIMALS = table("""
cat|mammal|meows|kitten|4|in houses|mice and fish
dog|mammal|barks|puppy|4|in houses|meat and dog food
cow|mammal|moos|calf|4|on farms|grass
horse|mammal|neighs|foal|4|on farms|grass and hay
sheep|mammal|bleats|lamb|4|on farms|grass
goat|mammal|bleats|kid|4|on farms|grass and leaves
pig|mammal|oinks|piglet|4|on farms|almost everything
donkey|mammal|brays|foal|4|on farms|grass and hay
lion|mammal|roars|cub|4|in the savanna|meat
tiger|mammal|roars|cub|4|in the jungle|meat
bear|mammal|growls|cub|4|in the forest|berries, honey and fish
wolf|mammal|howls|pup|4|in the forest|meat
fox|mammal|barks|kit|4|in the forest|mice and berries
rabbit|mammal|squeaks|kit|4|in burrows|grass and carrots
mouse|mammal|squeaks|pup|4|in small holes|seeds and cheese
elephant|mammal|trumpets|calf|4|in the savanna|leaves and grass
giraffe|mammal|hums|calf|4|in the savanna|leaves
zebra|mammal|barks|foal|4|in the savanna|grass
monkey|mammal|chatters|infant|2|in the jungle|fruit and nuts
kangaroo|mammal|clicks|joey|2|in Australia|grass
koala|mammal|grunts|joey|4|in Australia|eucalyptus leaves
bat|mammal|squeaks|pup|2|in caves|insects and fruit
whale|mammal|sings|calf|0|in the ocean|krill and small fish
dolphin|mammal|clicks|calf|0|in the ocean|fish
seal|mammal|barks|pup|0|in the cold sea|fish
deer|mammal|grunts|fawn|4|in the forest|leaves and grass
camel|mammal|grunts|calf|4|in the desert|dry plants
squirrel|mammal|chatters|kit|4|in trees|nuts
hedgehog|mammal|snuffles|hoglet|4|in gardens|insects
duck|bird|quacks|duckling|2|on ponds|plants and small insects
chicken|bird|clucks|chick|2|on farms|seeds
goose|bird|honks|gosling|2|on ponds|grass
owl|bird|hoots|owlet|2|in the forest|mice
eagle|bird|screeches|eaglet|2|in the mountains|fish and small animals
penguin|bird|squawks|chick|2|in Antarctica|fish
parrot|bird|squawks|chick|2|in the jungle|seeds and fruit
crow|bird|caws|chick|2|in trees|almost everything
swan|bird|hisses|cygnet|2|on lakes|water plants
frog|amphibian|croaks|tadpole|4|in ponds|insects
snake|reptile|hisses|snakelet|0|in grass and rocks|mice
turtle|reptile|hisses|hatchling|4|in the sea|plants and jellyfish
crocodile|reptile|bellows|hatchling|4|in rivers|fish and meat
lizard|reptile|hisses|hatchling|4|on warm rocks|insects
shark|fish|makes no sound|pup|0|in the ocean|fish
salmon|fish|makes no sound|fry|0|in rivers and the sea|insects and small fish
goldfish|fish|makes no sound|fry|0|in a fish tank|fish food
bee|insect|buzzes|larva|6|in hives|nectar
ant|insect|makes no sound|larva|6|in nests|seeds and sugar
butterfly|insect|makes no sound|caterpillar|6|in meadows|nectar
spider|arachnid|makes no sound|spiderling|8|in webs|flies
octopus|mollusc|makes no sound|larva|8|in the ocean|crabs
snail|mollusc|makes no sound|hatchling|0|in gardens|leaves
""")
FLYERS = "bat duck goose owl eagle parrot crow swan bee butterfly".split()
PLURALS = {"sheep": "sheep", "goose": "geese", "mouse": "mice", "fox": "foxes", "wolf": "wolves", "fish": "fish",
           "butterfly": "butterflies", "deer": "deer", "salmon": "salmon", "goldfish": "goldfish", "octopus": "octopuses"}

# thing | colour
COLOURS = table("""
the sky|blue
grass|green
a banana|yellow
a lemon|yellow
the sun|yellow
a strawberry|red
a tomato|red
a cherry|red
blood|red
a fire engine|red
snow|white
milk|white
salt|white
a cloud|white
coal|black
the night sky|black
a raven|black
an orange|orange
a carrot|orange
a pumpkin|orange
a flamingo|pink
a pig|pink
chocolate|brown
coffee|brown
wood|brown
a bear|brown
an elephant|grey
a mouse|grey
a rain cloud|grey
an aubergine|purple
a plum|purple
lavender|purple
a frog|green
a cucumber|green
spinach|green
a leaf|green
the sea|blue
a blueberry|blue
gold|yellow
a zebra|black and white
a panda|black and white
a penguin|black and white
a stop sign|red
a polar bear|white
a sunflower|yellow
""")
MIXES = table("""
red|yellow|orange
red|blue|purple
blue|yellow|green
red|white|pink
black|white|grey
red|green|brown
blue|white|light blue
""")
RAINBOW = "red orange yellow green blue indigo violet".split()
PLAIN_COLOURS = "red orange yellow green blue purple pink brown black white grey".split()

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
SEASONS = ("winter", "winter", "spring", "spring", "spring", "summer", "summer", "summer", "autumn", "autumn", "autumn", "winter")

OPPOSITES = table("""
hot|cold
big|small
tall|short
fast|slow
up|down
left|right
day|night
good|bad
happy|sad
old|young
new|old
light|dark
open|closed
full|empty
hard|soft
wet|dry
early|late
near|far
high|low
rich|poor
strong|weak
loud|quiet
clean|dirty
easy|difficult
true|false
black|white
thick|thin
heavy|light
inside|outside
above|below
first|last
begin|end
buy|sell
give|take
push|pull
love|hate
win|lose
laugh|cry
come|go
ask|answer
sharp|blunt
sweet|sour
wide|narrow
deep|shallow
brave|afraid
awake|asleep
alive|dead
always|never
more|less
many|few
yes|no
north|south
east|west
summer|winter
friend|enemy
front|back
top|bottom
start|stop
arrive|leave
smooth|rough
beautiful|ugly
cheap|expensive
safe|dangerous
polite|rude
simple|complicated
question|answer
""")
IRREGULAR_PLURALS = table("""
child|children
man|men
woman|women
tooth|teeth
foot|feet
goose|geese
mouse|mice
person|people
ox|oxen
sheep|sheep
fish|fish
deer|deer
leaf|leaves
wolf|wolves
knife|knives
life|lives
wife|wives
half|halves
shelf|shelves
scarf|scarves
loaf|loaves
baby|babies
city|cities
story|stories
party|parties
berry|berries
fly|flies
box|boxes
fox|foxes
bus|buses
dish|dishes
church|churches
potato|potatoes
tomato|tomatoes
hero|heroes
""")
PAST = table("""
go|went
see|saw
eat|ate
drink|drank
run|ran
swim|swam
sing|sang
come|came
take|took
give|gave
make|made
say|said
tell|told
think|thought
buy|bought
bring|brought
catch|caught
teach|taught
find|found
feel|felt
sleep|slept
keep|kept
leave|left
meet|met
read|read
write|wrote
drive|drove
ride|rode
speak|spoke
break|broke
fly|flew
know|knew
grow|grew
throw|threw
draw|drew
begin|began
sit|sat
stand|stood
hold|held
lose|lost
win|won
send|sent
spend|spent
build|built
hear|heard
wear|wore
forget|forgot
get|got
have|had
do|did
be|was
put|put
cut|cut
fall|fell
sell|sold
walk|walked
play|played
jump|jumped
cook|cooked
dance|danced
""")
RHYMES = table("""
cat|hat
dog|frog
sun|fun
moon|spoon
tree|bee
house|mouse
star|car
day|play
night|light
book|cook
ball|tall
fish|dish
king|ring
cake|lake
bear|chair
boat|goat
rain|train
snow|crow
door|floor
hand|sand
sky|fly
box|fox
bed|red
nose|rose
time|rhyme
blue|shoe
""")
TRANSLATIONS = table("""
hello|bonjour|hallo|hola|ciao
thank you|merci|danke|gracias|grazie
yes|oui|ja|si|si
no|non|nein|no|no
goodbye|au revoir|auf Wiedersehen|adios|arrivederci
please|s'il vous plait|bitte|por favor|per favore
cat|chat|Katze|gato|gatto
dog|chien|Hund|perro|cane
house|maison|Haus|casa|casa
water|eau|Wasser|agua|acqua
bread|pain|Brot|pan|pane
sun|soleil|Sonne|sol|sole
book|livre|Buch|libro|libro
red|rouge|rot|rojo|rosso
one|un|eins|uno|uno
two|deux|zwei|dos|due
three|trois|drei|tres|tre
good morning|bonjour|guten Morgen|buenos dias|buongiorno
good night|bonne nuit|gute Nacht|buenas noches|buonanotte
friend|ami|Freund|amigo|amico
""")
LANGUAGES = ("French", "German", "Spanish", "Italian")

# question | other wordings separated by / | answer | word that must be in it
GENERAL = table("""
How many days are in a week?/How many days does a week have?/number of days in a week|A week has 7 days.|7
How many months are in a year?/How many months does a year have?/number of months in a year|A year has 12 months.|12
How many days are in a year?/How many days does a year have?/number of days in a year|A year has 365 days, and a leap year has 366.|365
How many hours are in a day?/How many hours does a day have?|A day has 24 hours.|24
How many minutes are in an hour?/How many minutes does an hour have?|An hour has 60 minutes.|60
How many seconds are in a minute?/How many seconds does a minute have?|A minute has 60 seconds.|60
How many weeks are in a year?/How many weeks does a year have?|A year has 52 weeks.|52
How many years are in a century?/How long is a century?|A century has 100 years.|100
How many years are in a decade?/How long is a decade?|A decade has 10 years.|10
How many centimetres are in a metre?/How many centimeters are in a meter?|A metre has 100 centimetres.|100
How many metres are in a kilometre?/How many meters are in a kilometer?|A kilometre has 1000 metres.|1000
How many grams are in a kilogram?/How many grams are in a kilo?|A kilogram has 1000 grams.|1000
How many letters are in the alphabet?/How many letters does the alphabet have?|The English alphabet has 26 letters.|26
What are the vowels?/Which letters are vowels?/Name the vowels.|The vowels are a, e, i, o and u.|a, e, i, o
What is the first letter of the alphabet?/Which letter comes first in the alphabet?|The first letter of the alphabet is A.|A
What is the last letter of the alphabet?/Which letter comes last in the alphabet?|The last letter of the alphabet is Z.|Z
Say the alphabet./What is the alphabet?/Recite the alphabet.|a b c d e f g h i j k l m n o p q r s t u v w x y z|a b c d e f g h i j k l m n o p q r s t u v w x y z
At what temperature does water freeze?/When does water freeze?/freezing point of water|Water freezes at 0 degrees Celsius.|0
At what temperature does water boil?/When does water boil?/boiling point of water|Water boils at 100 degrees Celsius.|100
What is ice made of?/What is ice?|Ice is frozen water.|water
What do bees make?/What do bees produce?|Bees make honey.|honey
What do cows give us?/What do we get from cows?|Cows give us milk.|milk
What do chickens lay?/What do hens lay?|Chickens lay eggs.|eggs
Where does milk come from?/Who gives us milk?|Milk comes from cows.|cow
Where does honey come from?/Who makes honey?|Honey comes from bees.|bees
Where does wool come from?/What animal gives us wool?|Wool comes from sheep.|sheep
What do caterpillars turn into?/What does a caterpillar become?|A caterpillar turns into a butterfly.|butterfly
What is the largest planet?/Which planet is the biggest?/biggest planet|Jupiter is the largest planet in our solar system.|Jupiter
What is the smallest planet?/Which planet is the smallest?/smallest planet|Mercury is the smallest planet in our solar system.|Mercury
Which planet do we live on?/What planet are we on?/What is our planet called?|We live on the planet Earth.|Earth
How many planets are there?/How many planets are in the solar system?|There are 8 planets in our solar system.|8
Name the planets./What are the planets?/List the planets of the solar system.|The planets are Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus and Neptune.|Neptune
Which planet is red?/Which planet is called the red planet?/red planet|Mars is called the red planet.|Mars
Which planet has big rings?/Which planet is known for its rings?|Saturn is known for its rings.|Saturn
What is the closest star to the Earth?/Which star is closest to us?|The closest star to the Earth is the Sun.|Sun
Is the sun a star?/What is the sun?|The Sun is a star.|star
What goes around the Earth?/What orbits the Earth?|The Moon goes around the Earth.|Moon
What does the Earth go around?/What does the Earth orbit?|The Earth goes around the Sun.|Sun
Where does the sun rise?/In which direction does the sun rise?|The Sun rises in the east.|east
Where does the sun set?/In which direction does the sun set?|The Sun sets in the west.|west
How many continents are there?/number of continents|There are seven continents.|seven
Name the continents./What are the continents?/List the continents.|The continents are Africa, Antarctica, Asia, Europe, North America, Oceania and South America.|Antarctica
What is the largest ocean?/Which ocean is the biggest?/biggest ocean|The Pacific Ocean is the largest ocean.|Pacific
What is the highest mountain?/Which mountain is the highest in the world?/tallest mountain|Mount Everest is the highest mountain in the world.|Everest
What is the largest animal?/Which animal is the biggest?/biggest animal in the world|The blue whale is the largest animal.|whale
What is the tallest animal?/Which animal is the tallest?/tallest animal in the world|The giraffe is the tallest animal.|giraffe
What is the fastest land animal?/Which animal runs fastest?/fastest animal on land|The cheetah is the fastest land animal.|cheetah
Which bird cannot fly?/Name a bird that cannot fly.|The penguin is a bird that cannot fly.|penguin
How many legs does a dog have?/How many legs do dogs have?|A dog has 4 legs.|4
How many legs does a spider have?/How many legs do spiders have?|A spider has 8 legs.|8
How many arms does an octopus have?/How many arms do octopuses have?|An octopus has 8 arms.|8
How many wheels does a car have?/How many wheels do cars have?|A car has 4 wheels.|4
How many wheels does a bicycle have?/How many wheels does a bike have?|A bicycle has 2 wheels.|2
How many wheels does a tricycle have?|A tricycle has 3 wheels.|3
How many fingers does a hand have?/How many fingers are on one hand?|A hand has 5 fingers.|5
How many fingers do people have?/How many fingers do you have on two hands?|People have 10 fingers on two hands.|10
How many eyes does a person have?/How many eyes do people have?|A person has 2 eyes.|2
How many sides does a triangle have?/How many sides are in a triangle?|A triangle has 3 sides.|3
How many sides does a square have?/How many sides are in a square?|A square has 4 sides.|4
How many sides does a pentagon have?|A pentagon has 5 sides.|5
How many sides does a hexagon have?|A hexagon has 6 sides.|6
What shape is a ball?/What is the shape of a ball?|A ball is round, like a sphere.|round
How many seasons are there?/How many seasons does a year have?|There are four seasons.|four
Name the seasons./What are the seasons?/List the four seasons.|The seasons are spring, summer, autumn and winter.|autumn
Which season is the coldest?/What is the coldest season?|Winter is the coldest season.|Winter
Which season is the hottest?/What is the hottest season?/warmest season|Summer is the hottest season.|Summer
When do leaves fall from the trees?/In which season do leaves fall?|Leaves fall from the trees in autumn.|autumn
What do we use to see?/Which part of the body do we see with?|We see with our eyes.|eyes
What do we use to hear?/Which part of the body do we hear with?|We hear with our ears.|ears
What do we use to smell?/Which part of the body do we smell with?|We smell with our nose.|nose
What do we use to taste?/Which part of the body do we taste with?|We taste with our tongue.|tongue
What pumps blood through the body?/What does the heart do?|The heart pumps blood through the body.|heart
What do we think with?/Which part of the body thinks?|We think with our brain.|brain
What are the five senses?/Name the five senses.|The five senses are sight, hearing, smell, taste and touch.|hearing
What do plants need to grow?/What does a plant need?|Plants need water, light, air and soil to grow.|light
Why is the sky blue?|The sky is blue because the air scatters blue light more than red light.|blue light
Why does it rain?/Where does rain come from?|It rains when tiny drops of water in the clouds join and become too heavy to float.|clouds
Why do we sleep?/Why is sleep important?|We sleep so that the body and the brain can rest.|rest
Why do we eat?/Why do people eat?|We eat because food gives us energy.|energy
Why do leaves look green?/Why are leaves green?|Leaves are green because of a substance called chlorophyll.|chlorophyll
What makes a rainbow?/How is a rainbow made?/Why do we see rainbows?|A rainbow appears when sunlight shines through drops of water.|sunlight
What is thunder?/What causes thunder?|Thunder is the sound that lightning makes.|lightning
What is snow?/What is snow made of?|Snow is made of tiny crystals of ice.|ice
What is a computer?/What does a computer do?|A computer is a machine that follows instructions and works with information.|machine
What is a book?|A book is a set of pages with words or pictures to read.|pages
What is a dictionary?/What is a dictionary for?|A dictionary is a book that explains words.|words
What is a map?/What is a map for?|A map is a drawing that shows where places are.|places
What is a library?/What do you do in a library?|A library is a place where you can read and borrow books.|books
What is a triangle?|A triangle is a shape with three sides.|three
What is a square?|A square is a shape with four equal sides.|four
What is a circle?|A circle is a perfectly round shape.|round
What is a fruit?/Name a fruit.|An apple is a fruit.|apple
What is a vegetable?/Name a vegetable.|A carrot is a vegetable.|carrot
What is a mammal?|A mammal is an animal that feeds its babies with milk.|milk
What is an insect?|An insect is a small animal with six legs.|six
What is a dozen?/How many is a dozen?/How many eggs are in a dozen?|A dozen is 12.|12
What is a pair?/How many is a pair?|A pair is two things.|two
What is bread made from?/What do you need to make bread?|Bread is made from flour, water, yeast and salt.|flour
What is cheese made from?/What is cheese made of?|Cheese is made from milk.|milk
What is paper made from?/What is paper made of?|Paper is made from wood.|wood
What is glass made from?/What is glass made of?|Glass is made from sand.|sand
What is a window made of?|A window is made of glass.|glass
What is tea?/How do I make tea?|To make tea, pour hot water on tea leaves and wait a few minutes.|water
How do I boil an egg?/How do you boil an egg?|Put the egg in boiling water and wait about eight minutes.|water
How do I make a sandwich?/How do you make a sandwich?|Put cheese or another filling between two slices of bread.|bread
How do I make toast?/How do you make toast?|Put a slice of bread in a toaster until it is brown.|toaster
How do I cross the road safely?/How do you cross a road?|Look left, look right, and cross when no car is coming.|Look
What should I do if I am tired?/I am tired, what should I do?|You should rest or get some sleep.|rest
What should I do if I am hungry?/I am hungry, what should I do?|You should eat something, for example an apple or a sandwich.|eat
What should I do if I am thirsty?/I am thirsty, what should I do?|You should drink a glass of water.|water
What should I do if I am cold?/I am cold, what should I do?|You should put on a warm coat or drink something hot.|warm
What should I wear in the rain?/What do I need when it rains?|Take an umbrella and wear a raincoat.|umbrella
What should I wear in winter?/What do people wear in winter?|Wear a warm coat, a hat and gloves.|coat
What does a doctor do?/What is a doctor?|A doctor helps sick people.|sick
What does a teacher do?/What is a teacher?|A teacher helps people learn.|learn
What does a baker do?/What is a baker?|A baker makes bread and cakes.|bread
What does a farmer do?/What is a farmer?|A farmer grows food and keeps animals.|food
What does a pilot do?/What is a pilot?|A pilot flies planes.|planes
What does a firefighter do?/What is a firefighter?|A firefighter puts out fires.|fires
What does a gardener do?/What is a gardener?|A gardener looks after plants.|plants
What does a cook do?/What is a cook?|A cook makes meals.|meals
What does a dentist do?/What is a dentist?|A dentist looks after teeth.|teeth
What does a carpenter do?/What is a carpenter?|A carpenter makes things from wood.|wood
What does a painter do?/What is a painter?|A painter makes pictures or paints walls.|paint
What does a musician do?/What is a musician?|A musician plays music.|music
What do you use to cut paper?/What cuts paper?|You cut paper with scissors.|scissors
What do you use to write?/What can I write with?|You can write with a pen or a pencil.|pen
What do you use to tell the time?/What shows the time?|A clock shows the time.|clock
What do you use to sweep the floor?|You sweep the floor with a broom.|broom
What do you use to brush your teeth?|You brush your teeth with a toothbrush.|toothbrush
What do you use to open a locked door?/What opens a lock?|A key opens a locked door.|key
What do fish live in?/Where do fish live?|Fish live in water.|water
What do birds have that other animals do not?/What is special about birds?|Birds have feathers.|feathers
What is the opposite direction of north?|The opposite direction of north is south.|south
What are the four directions?/Name the compass directions.|The four directions are north, east, south and west.|north
What comes after night?|After night comes day.|day
What meal do we eat in the morning?/What is the first meal of the day?|We eat breakfast in the morning.|breakfast
What meal do we eat at noon?/What do you call the meal at midday?|We eat lunch at noon.|lunch
What meal do we eat in the evening?|We eat dinner in the evening.|dinner
What is a baby dog called?/What do you call a young dog?|A baby dog is called a puppy.|puppy
What is a baby cat called?/What do you call a young cat?|A baby cat is called a kitten.|kitten
What sport uses a racket?/Name a sport with a racket.|Tennis is a sport with a racket.|Tennis
How many players are in a football team?/How many players does a soccer team have?|A football team has 11 players on the field.|11
What instrument has black and white keys?|The piano has black and white keys.|piano
How many strings does a guitar have?/How many strings are on a guitar?|A guitar usually has 6 strings.|6
How many strings does a violin have?/How many strings are on a violin?|A violin has 4 strings.|4
What is a healthy food?/Name something healthy to eat.|Fruit and vegetables are healthy food.|vegetables
Is an apple a fruit or a vegetable?/What is an apple?|An apple is a fruit.|fruit
Is a carrot a fruit or a vegetable?/What is a carrot?|A carrot is a vegetable.|vegetable
Is a whale a fish?/Is a whale a fish or a mammal?|A whale is not a fish, it is a mammal.|mammal
Is a penguin a bird?/What kind of animal is a penguin?|Yes, a penguin is a bird.|bird
Is the Earth flat?/Is the Earth round?/What shape is the Earth?|The Earth is round, like a ball.|round
Is water wet?|Yes, water is wet.|wet
Is fire hot or cold?/Is fire hot?|Fire is hot.|hot
Is ice hot or cold?/Is ice cold?|Ice is cold.|cold
Can fish swim?/Do fish swim?|Yes, fish can swim.|Yes
Can dogs talk?/Do dogs talk?|No, dogs cannot talk, but they can bark.|No
Can penguins fly?/Do penguins fly?|No, penguins cannot fly, but they swim very well.|No
Do plants need water?/Do flowers need water?|Yes, plants need water.|Yes
Which is heavier, a feather or a stone?/Is a stone heavier than a feather?|A stone is heavier than a feather.|stone
Which is bigger, an elephant or a mouse?/Is an elephant bigger than a mouse?|An elephant is bigger than a mouse.|elephant
Which is faster, a car or a bicycle?/Is a car faster than a bike?|A car is faster than a bicycle.|car
Which is hotter, the sun or the moon?|The Sun is hotter than the Moon.|Sun
""")

JOKES = table("""
Why did the chicken cross the road? To get to the other side!
What do you call a bear with no teeth? A gummy bear!
Why was six afraid of seven? Because seven ate nine!
What do you call a fish without an eye? A fsh!
Why did the bicycle fall over? It was two tired!
What is orange and sounds like a parrot? A carrot!
Why do cows wear bells? Because their horns do not work!
What has hands but cannot clap? A clock!
What gets wetter the more it dries? A towel!
Why did the tomato turn red? It saw the salad dressing!
""")
JOKES = [row[0] for row in JOKES]

NAMES = """Anna Ben Clara David Emma Felix Grace Henry Ida Jack Kate Leo Mia Noah Olga Paul Rosa Sam Tina Tom Vera Will Zoe Lily
Max Nina Oscar Ruby Theo Lucy Adam Ella Finn Hugo Iris Jane Karl Lena Mark Nora Otto Peter Ruth Sara Tim Alice Bob Carol Dan
Eva Frank Gina Hans Ivy John Julia Kim Laura Maria Nick Omar Pia Ravi Sofia Yuki Mei Ali Fatima Chen Diego Amir""".split()
CITIES = """Paris London Berlin Rome Madrid Lisbon Vienna Oslo Stockholm Helsinki Copenhagen Amsterdam Brussels Dublin Prague Warsaw
Budapest Athens Moscow Ankara Cairo Nairobi Lima Bogota Santiago Havana Tokyo Beijing Seoul Delhi Bangkok Hanoi Jakarta Manila
Sydney Melbourne Toronto Boston Chicago Seattle Denver Dallas Miami Munich Hamburg Cologne Zurich Geneva Milan Naples Venice
Barcelona Seville Porto Lyon Nice Bordeaux Glasgow Bristol Leeds York Krakow Riga Kyoto Osaka Shanghai Mumbai Lagos Accra
Istanbul Dubai Singapore Montreal Vancouver Houston Austin Lisbon Florence Turin Leipzig Dresden Bremen""".split()
THINGS = """ball book cup hat key lamp box chair table bag coat shoe pen bike kite drum bell apple pear cake spoon plate bottle
basket blanket candle clock coin doll flower guitar hammer ladder map mirror pillow ribbon ring rope scarf shell stone toy umbrella
whistle button feather bucket brush""".split()
FOODS = """apple banana cherry pear plum grape lemon orange peach melon carrot potato tomato onion bean bread cheese soup rice
pasta pizza cake cookie salad egg fish honey jam milk butter yoghurt nut mushroom pumpkin""".split()
PLACES = """forest garden village beach mountain river lake castle farm city park school library market island meadow cave
valley harbour kitchen""".split()
