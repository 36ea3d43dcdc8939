"""Two hundred sentences that name no date, though many hold words that also do: may, march, sun, hier, morgen, mañana, second."""

SENTENCES = """
I may go to the sea if the weather holds.
You may say that, but I do not agree.
May I borrow your pen?
The soldiers march on without a break.
We went on a long march through the mountains.
The sun is too bright in this room.
He sat in the sun and read his book.
She wed him in a small chapel.
Mon ami is a phrase I learned at school.
I have a second car, a small one.
It took me a second to understand.
Wait a minute, please.
He is twenty years old.
The journey takes two hours by train.
I have three cats and two dogs.
My flat is on the second floor, room 12.
Call me at 5 if you can.
The password has 2019 characters.
I walk 2000 steps before breakfast.
It costs 1999 dollars and some cents.
In 2000 cases the test was positive.
I slept for two days.
She trained for three weeks without a rest.
I wrote the whole thing in two days.
He learned to swim in a week.
The bread rises in an hour.
Over the last year I have grown a lot.
In the last week of school we played games.
The last month was hard on everyone.
The next day we drove on.
The following morning she was gone.
The day after, nobody spoke of it.
One day I will be rich.
Some day she will come back.
Every day I drink three cups of coffee.
Every last Friday of the month we meet.
On Mondays I play chess.
I work Mondays and Fridays only.
Friday is my dog's name.
My favourite day is Sunday.
Sunday dinners are sacred in our house.
Robinson Crusoe met a man called Friday.
April is my sister's name.
June sings in the choir with me.
August Strindberg wrote plays.
My friend May likes gardening.
Theresa May wrote a book.
I call my cat Tuesday.
The Black Friday crowds scare me.
Her middle name is Autumn.
The autumn leaves are beautiful.
I prefer winter to summer.
We always ski in winter.
Summer is my favourite season.
I used to live in Rome.
I have been a nurse for ten years.
He has known her for a long time.
They have two weeks of holiday.
A few days ago I changed my mind.
The other day I saw a fox.
Recently I began to cook.
Lately I sleep badly.
Long ago there lived a king.
Ages ago I played the flute.
It happened once upon a time.
Someday we should have lunch.
I will do it later.
See you soon!
Now and then I smoke a pipe.
I never eat after eight.
I get up at seven.
My shift ends at 5 p.m.
The shop opens at 9:30.
Dinner is at eight.
The film lasts two hours.
Last but not least, thank my mother.
The last train leaves from platform 2.
My last boss was kinder.
Her last name is Reis.
The last of us will lock the door.
Who is next?
Next door lives a piano teacher.
The next station is Oriente.
The next time we meet, bring your guitar.
Next to the bank there is a bakery.
This time I will win.
This one is mine.
At last we arrived.
These shoes will last.
I am past caring.
The past is a foreign country.
It is half past.
My weekly meeting is boring.
I read the daily paper.
The yearly report is done.
A monthly ticket is cheaper.
The weekend is for sleeping.
Weekends are quiet here.
I need a week off.
A month without sugar is hard.
A year has many days.
There are seven days in a week.
A day has 24 hours.
The decade was a good one.
My century ride was fun.
I have an hour to spare.
Give me ten minutes.
The test takes 90 minutes.
I ran 10 km in 55 minutes.
He is 5 years older than me.
Two years later we married.
A week later it broke.
Three days before the wedding it rained.
Within two weeks everything changed.
More than 3 years of work went into it.
Two and a half years is a long time.
The five-year plan failed.
It is a two-week course.
My 3-year-old loves trains.
I turned thirty at sea.
He was born in a small village.
She died young.
My birthday is in winter.
Christmas is a big thing for us.
Easter eggs are fun to paint.
New Year's resolutions never last.
Halloween costumes are my hobby.
I like Dec, short for Declan.
Mark is marching with the band.
Jan and Sep are my colleagues.
Mar Vista is where I grew up.
Do you have a car?
We are friends.
To be or not to be.
I am in.
Are you?
Me too.
Thanks, that was great!
Hello, how are you doing?
I love you.
It is what it is.
The bar on the corner has good beer.
Can you recommend a dentist?
My phone number is 555 0199.
The code is 20260513.
Version 3.11 is out.
Chapter 12 is the best.
The ratio is 3:2.
The score was 2-1.
I gave it 10/10.
Room 2024 is upstairs.
Bus 2015 goes to the airport.
My bike cost 2,019 euros.
The asteroid 2004 is small.
He ran for president.
She will lead the march.
March on, he said.
It may last.
It may well be true.
This may be the last of them.
I might be in by then.
Tom or Ro will know.
The Daily Show makes me laugh.
The Morning Post is out of print.
Good morning!
Good night, sleep well.
I am a morning person.
Mornings are hard.
At night I hear owls.
The evening star is Venus.
The night was cold.
It was a dark and stormy night.
A midnight snack, anyone?
By noon it was hot.
The ever-present sun.
Ich bin hier und es ist schön.
Hier ist mein Schlüssel, nicht da.
Guten Morgen, wie geht es dir?
Jeden Morgen trinke ich Tee.
Am Morgen ist der Park leer.
Ich war sieben Jahre in der Schule.
Der Mai ist gekommen.
Das Jahr hat viele Tage.
Mein Bruder ist zwei Jahre älter als ich.
Montags koche ich für die Familie.
Je suis né dans un petit village.
Il y a deux chats dans le jardin.
Le jour se lève sur la mer.
Le prochain train est pour nous.
Par la mañana tomo café con leche y pan.
La mañana es fría en el norte.
Una mañana se fue sin decir nada.
Hace frío en la casa de mi madre.
Hoy en día todo es más caro para los jóvenes.
Tengo dos hijos y un perro.
A manhã é o melhor do dia para mim.
Há dois gatos no jardim da minha avó.
Hoje em dia ninguém escreve cartas.
以前天天跑步，现在不跑了。
请发明年轻人喜欢的产品。
后天性免疫是什么？
他说明天气不好的原因。
失去年轻的心很可惜。
每天早上喝茶。
三天的旅行很开心。
明日香は友達です。
今日子さんは先生です。
毎日散歩します。
日曜日は休みです。
"""
