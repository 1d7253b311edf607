import { InvalidArgumentError } from 'commander'

import { mlperfServiceLevels, type ServiceLevel } from '../../serving/index.ts'

/** What `--slo` takes, for its help. */
export const serviceLevelNames = `limits in milliseconds: ttft=2000,tpot=100,e2e=10000; or MLPerf's by model: ${Object.keys(mlperfServiceLevels).join(', ')}; or none`

const limitOf: Readonly<Record<string, keyof ServiceLevel>> = {
  ttft: 'ttftSeconds',
  tpot: 'tpotSeconds',
  e2e: 'e2eSeconds',
}

/**
 * Reads the limits that a request is to be served within.
 *
 * @returns null for `none`
 * @throws InvalidArgumentError for what is no limit
 */
export function serviceLevel(text: string): ServiceLevel | null {
  if (text === 'none') return null
  const known = (mlperfServiceLevels as Readonly<Record<string, ServiceLevel>>)[text]
  if (known) return known
  const limits = text.split(',').map((part): [keyof ServiceLevel, number] => {
    const [name = '', value = ''] = part.split('=', 2).map((one) => one.trim())
    const key = limitOf[name]
    const milliseconds = Number(value)
    if (key === undefined || !(milliseconds > 0) || !Number.isFinite(milliseconds)) {
      throw new InvalidArgumentError(`"${part}" is no limit. Expected ${serviceLevelNames}.`)
    }
    return [key, milliseconds / 1000]
  })
  return Object.fromEntries(limits)
}
