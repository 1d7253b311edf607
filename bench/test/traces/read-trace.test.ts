import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { openTrace, readTrace, type TraceFormatError } from '../../src/traces/index.ts'
import { fileOf, missingFile } from './support/files.ts'
import { code } from './support/traces.ts'

const azure = [
  'TIMESTAMP,ContextTokens,GeneratedTokens',
  '2023-11-16 18:17:03.9799600,4808,10',
  '2023-11-16 18:17:04.0319601,3180,8',
  '2023-11-17 00:00:00,110,27',
].join('\r\n') // no line end behind the last row

const arxiv = [
  'num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio',
  '7564.0,192.0,7756.0,39.395833333333336',
  '71989,386,72375,186.5',
].join('\n')

const row = (values: object) =>
  JSON.stringify({ timestamp: 0, input_length: 3, output_length: 1, hash_ids: [0], ...values })

const mooncake = [
  row({ timestamp: 1000, input_length: 1025, output_length: 5, hash_ids: [0, 1, 2] }),
  row({ timestamp: 4000, input_length: 512, output_length: 1, hash_ids: [0] }),
].join('\n')

/** The error of reading a file with this content. */
async function errorOf(content: string | Uint8Array): Promise<TraceFormatError> {
  return readTrace(fileOf(content)).then(
    () => expect.fail('the file was read'),
    (error: TraceFormatError) => error,
  )
}

describe('readTrace', () => {
  it('reads the Azure format: seven decimals as UTC, whatever the time zone, no final newline', async () => {
    const zone = process.env['TZ']
    process.env['TZ'] = 'America/St_Johns'
    try {
      const trace = await readTrace(fileOf(azure))
      expect(trace.format).toBe('azure')
      expect(trace.blockTokens).toBeUndefined()
      expect(trace.requests).toEqual([
        { arrivalSeconds: 0, promptTokens: 4808, outputTokens: 10 },
        { arrivalSeconds: 0.0520001, promptTokens: 3180, outputTokens: 8 },
        { arrivalSeconds: 5 * 3600 + 42 * 60 + 56.02004, promptTokens: 110, outputTokens: 27 },
      ])
    } finally {
      if (zone === undefined) delete process.env['TZ']
      else process.env['TZ'] = zone
    }
  })

  it('reads the arXiv format: floats that are whole, no arrivals', async () => {
    const trace = await readTrace(fileOf(arxiv))
    expect(trace.format).toBe('arxiv')
    expect(trace.requests).toEqual([
      { promptTokens: 7564, outputTokens: 192 },
      { promptTokens: 71989, outputTokens: 386 },
    ])
  })

  it('reads the Mooncake format: times from the first request on, block hashes', async () => {
    const trace = await readTrace(fileOf(mooncake))
    expect(trace).toMatchObject({ format: 'mooncake', blockTokens: 512 })
    expect(trace.requests).toEqual([
      { arrivalSeconds: 0, promptTokens: 1025, outputTokens: 5, blockHashes: [0, 1, 2] },
      { arrivalSeconds: 3, promptTokens: 512, outputTokens: 1, blockHashes: [0] },
    ])
  })

  it.each([
    ['azure', azure],
    ['arxiv', arxiv],
    ['mooncake', mooncake],
  ])(
    'knows a packed %s file by its content, not its name, and takes its hash',
    async (format, text) => {
      const packed = gzipSync(text)
      const file = fileOf(packed, 'no-ending')
      const trace = await readTrace(file)
      expect(trace.format).toBe(format)
      expect(trace.requests).toEqual((await readTrace(fileOf(text))).requests)
      const sha256 = createHash('sha256').update(packed).digest('hex')
      expect(trace.source).toEqual({ kind: 'file', file, sha256 })
    },
  )

  it('passes over a byte order mark, blank lines and a final newline', async () => {
    const { requests } = await readTrace(fileOf(`\uFEFF${arxiv}\n\n`))
    expect(requests).toHaveLength(2)
    expect((await readTrace(fileOf(`\n${mooncake}\n\n`))).requests).toHaveLength(2)
  })

  it('reads as many rows as asked for, and does not look at those behind', async () => {
    const { requests } = await readTrace(fileOf(`${arxiv}\nbroken`), { maxRows: 2 })
    expect(requests).toHaveLength(2)
  })

  it('reads files that are larger than its buffers, packed or not', async () => {
    const rows = 10_000 // some hundred KB
    const text = ['TIMESTAMP,ContextTokens,GeneratedTokens']
    for (let i = 0; i < rows; i++) text.push(`2023-11-16 18:17:03.9799600,${i + 1},${i + 2}`)
    for (const content of [text.join('\n'), gzipSync(text.join('\n'))]) {
      const { requests } = await readTrace(fileOf(content))
      expect(requests).toHaveLength(rows)
      expect(requests.at(-1)).toMatchObject({ promptTokens: rows, outputTokens: rows + 1 })
    }
  })
})

describe('openTrace', () => {
  it('gives rows as they are asked for: the wrong one is met when its turn comes', async () => {
    const { format, requests } = await openTrace(fileOf(`${arxiv}\nx,1,1,1`))
    expect(format).toBe('arxiv')
    expect((await requests.next()).value).toMatchObject({ promptTokens: 7564 })
    expect((await requests.next()).value).toMatchObject({ promptTokens: 71989 })
    await expect(requests.next()).rejects.toMatchObject(code('TRACE_FORMAT'))
  })
})

describe('a file that is no trace', () => {
  it.each([
    ['an unknown header', 'a,b,c\n1,2,3', { line: 1 }, 'a,b,c'],
    ['an empty file', '', { line: 1 }, 'an empty file'],
    [
      'a local time',
      azure.replace('18:17:04.0319601', '18:17:04+02:00'),
      { line: 3, column: 'TIMESTAMP' },
      '"2023-11-16 18:17:04+02:00"',
    ],
    [
      'a day that does not exist',
      azure.replace('2023-11-17', '2023-11-31'),
      { line: 4, column: 'TIMESTAMP' },
      '"2023-11-31 00:00:00"',
    ],
    [
      'rows out of order',
      azure.replace('2023-11-17', '2023-11-15'),
      { line: 4, column: 'TIMESTAMP' },
      '2023-11-15 00:00:00',
    ],
    ['a missing cell', azure.replace(',27', ''), { line: 4 }, '2: 2023-11-17 00:00:00,110'],
    ['a length of 0', azure.replace(',8\r', ',0\r'), { line: 3, column: 'GeneratedTokens' }, '"0"'],
    [
      'half a token',
      arxiv.replace('7564.0', '7564.5'),
      { line: 2, column: 'num_prefill_tokens' },
      '"7564.5"',
    ],
    [
      'a total that is not the sum',
      arxiv.replace('72375', '72376'),
      { line: 3, column: 'num_total_tokens' },
      '72376',
    ],
    ['an open quote', `${arxiv}\n"1,2,3,4`, { line: 4 }, /[Qq]uote/],
    ['JSON that ends early', mooncake.slice(0, -1), { line: 2 }, /input_length/],
    ['no object', `${mooncake}\n[1]`, { line: 3 }, '"[1]"'],
    [
      'a missing key',
      row({ output_length: undefined }),
      { line: 1, column: 'output_length' },
      'undefined',
    ],
    ['a fraction', row({ input_length: 2.5 }), { line: 1, column: 'input_length' }, '2.5'],
    ['too few hashes', row({ input_length: 513 }), { line: 1, column: 'hash_ids' }, '1 of them'],
    ['a negative hash', row({ hash_ids: [-1] }), { line: 1, column: 'hash_ids' }, '-1'],
    [
      'times that go back',
      `${mooncake}\n${row({ timestamp: 3999 })}`,
      { line: 3, column: 'timestamp' },
      '3999',
    ],
  ])('%s: the error says where, what was expected and what was found', async (...args) => {
    const [, content, place, found] = args
    const error = await errorOf(content)
    expect(error).toMatchObject(code('TRACE_FORMAT'))
    expect(error.place).toEqual({ file: error.place.file, ...place })
    if (typeof found === 'string') expect(error.found).toBe(found)
    else expect(error.found).toMatch(found)
    expect(error.expected).not.toBe('')
    expect(error.message).toContain(error.place.file)
    expect(error.message).toContain(`line ${place.line}`)
  })

  it('that does not exist, or is cut off, is named with the reason of the system', async () => {
    const file = missingFile()
    await expect(readTrace(file)).rejects.toMatchObject(code('TRACE_FILE'))
    await expect(readTrace(file)).rejects.toThrow(/missing.*ENOENT/)
    const packed = gzipSync(`${mooncake}\n`.repeat(1))
    await expect(readTrace(fileOf(packed.subarray(0, -9)))).rejects.toMatchObject(
      code('TRACE_FILE'),
    )
  })
})
