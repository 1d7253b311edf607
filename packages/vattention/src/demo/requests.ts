/** One visitor's question, and how long the answer may become. */
export interface DemoRequest {
  readonly question: string
  readonly maxTokens: number
}

/**
 * The crowd: questions of mixed length, from a few words to a page, with short and long answers,
 * as a help desk sees them.
 */
export const requests: readonly DemoRequest[] = [
  { question: 'When do you open on Saturday?', maxTokens: 40 },
  { question: 'How do I get a library card, and what do I have to bring?', maxTokens: 72 },
  { question: 'Why is the sky blue? It is for school.', maxTokens: 96 },
  { question: 'Can I bring my dog?', maxTokens: 40 },
  {
    question:
      'My grandmother cannot walk well any more and lives on the coast road, about twenty minutes from town. She used to read two or three books a week, mostly crime stories and sea stories, and she misses it very much. She has no computer and her telephone is an old one with big buttons. What could the library do for her, and how would we begin?',
    maxTokens: 128,
  },
  { question: 'What is photosynthesis?', maxTokens: 88 },
  { question: 'How many books may I borrow at once, and for how long?', maxTokens: 56 },
  { question: 'Please explain to a ten-year-old how a lighthouse works.', maxTokens: 112 },
  { question: 'What does it cost if I bring a book back two weeks late?', maxTokens: 64 },
  {
    question:
      'I am writing a story about a girl who finds a map in an old customs house. So far she has climbed through a window, found a chest full of ship lists, and noticed that one ship is crossed out on every page with the same green ink. Her brother does not believe her. Suggest how the next scene could go, and give me an opening sentence for it.',
    maxTokens: 144,
  },
  { question: 'Is there a quiet place to study?', maxTokens: 48 },
  { question: 'Name three things that float and say why they do.', maxTokens: 96 },
  { question: 'What is the difference between weather and climate?', maxTokens: 96 },
  { question: 'Do you have a scanner?', maxTokens: 32 },
  { question: 'When is story hour, and do I have to book it?', maxTokens: 48 },
  {
    question:
      'Our reading group has nine members and meets every second Tuesday from five to seven. Until now we met in the bakery, but it has become too loud. We would need a table, chairs, and somewhere to make tea if that is possible. Which room could we have, for how long at a time, and what should we do if we want to meet every two weeks?',
    maxTokens: 112,
  },
  { question: 'Write two sentences that thank a volunteer for ten years of work.', maxTokens: 64 },
  { question: 'What is seven times eight?', maxTokens: 24 },
  { question: 'How do tides work?', maxTokens: 120 },
  { question: 'I lost my card. What now?', maxTokens: 56 },
  { question: 'How can I renew a book if I am abroad?', maxTokens: 56 },
  {
    question:
      'Here is the beginning of a letter that I want to send to the town: "Dear council, the bench in front of the customs house is broken since March. Old people wait there for the ferry, and when it rains there is no roof either. I have asked two times. Nobody answered." Please make it polite, clear and not longer than five sentences, and keep what matters to me.',
    maxTokens: 128,
  },
  { question: 'Who wrote Treasure Island?', maxTokens: 32 },
  { question: 'Tell me a short story about a ferry that was afraid of water.', maxTokens: 160 },
  { question: 'What can I find in the local history room?', maxTokens: 64 },
  { question: 'Why do ships have round windows?', maxTokens: 80 },
  { question: 'Give me three tips for reading more.', maxTokens: 96 },
  { question: 'Are you open on public holidays?', maxTokens: 32 },
  {
    question:
      'My son is twelve and has to give a talk about whales next week. It should last five minutes. He has found out that they are mammals, that they sing, and that some of them dive for an hour, but he does not know how to put it in order, and he is nervous about speaking in front of the class. Could you give him an outline with a beginning, three parts and an end?',
    maxTokens: 160,
  },
  { question: 'What is a good way to learn the names of the stars?', maxTokens: 88 },
  { question: 'Can I print from my telephone?', maxTokens: 48 },
  { question: 'Explain what a compass does in two sentences.', maxTokens: 56 },
  { question: 'How do I book the group room?', maxTokens: 56 },
  { question: 'What is the capital of Portugal, and is it a port?', maxTokens: 48 },
  { question: 'When does the van come to the villages?', maxTokens: 48 },
  { question: 'Say goodbye to a visitor who moves away.', maxTokens: 64 },
]
