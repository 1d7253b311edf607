/** Seeded random text over many scripts, with the white space and marks that trip tokenizers. */
import { random } from './random.ts'

const alphabets = [
  'abcdefghijklmnopqrstuvwxyz',
  'ABCDEFGHIJ',
  '0123456789',
  '٣४５Ⅷ½²',
  '     ',
  '\n\t\r\u00a0\u3000',
  '.,;:!?-_()[]{}<>|/\\@#$%^&*+=~`"',
  "'s't're've'm'll'd",
  'äöüßéèñçœ',
  'привет мир',
  '你好世界こんにちは',
  'مرحبا بالعالم',
  '🙂👍🏽🇩🇪👨‍👩‍👧',
  'e\u0301\u0308\u200d\ufeff\u00ad',
]

/** Text of `length` pieces from `seed`. */
export function randomText(seed: number, length: number): string {
  const next = random(seed)
  let text = ''
  let alphabet = alphabets[0]!
  for (let i = 0; i < length; i++) {
    if (next() < 0.3) alphabet = alphabets[Math.floor(next() * alphabets.length)]!
    const characters = Array.from(alphabet)
    text += characters[Math.floor(next() * characters.length)]!
  }
  return text
}
