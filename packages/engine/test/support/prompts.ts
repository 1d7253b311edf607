/** Prompts of tests and benchmarks that compare greedy answers. */
export const chatPrompts: readonly string[] = [
  'What is the capital of France?',
  'Write a short poem about the sea.',
  'Explain photosynthesis to a child.',
  'List three uses of a paperclip.',
  'Why is the sky blue?',
  'Translate "good morning" into Spanish and German.',
  'Write a Python function that adds two numbers.',
  'What should I cook with eggs, rice and spinach?',
]
