/** The mistakes that the naive backend can be told to make, each of which the kit must find. */
export const mutations = [
  'window off by one',
  'base-2 LSE',
  'packed cache assumed',
  'packed query assumed',
  'last row dropped',
  'cap before scale',
  'causal ignored',
  'causal from the top left',
  'stale tail read',
  'empty rows left alone',
  'heads interleaved',
  'slots ignored',
  'layer ignored',
  'ALiBi the other way',
  'sinks ignored',
  'softmax without maximum',
  'prompts first, outputs too',
  'appended one row late',
  'bits depend on the batch',
  'unbacked lengths accepted',
  'written before checked',
  'merge without weights',
  'merge in base 2',
  'first reason only',
] as const

export type Mutation = (typeof mutations)[number]
