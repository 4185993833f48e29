import { KhlongError } from '../errors.ts'

const pathLengthMax = 1_024
const stepBytesMax = 255
/** What a name must not have anywhere that a backup may be restored: Windows refuses these. */
const refusedCharacters = /[\\:*?"<>|\p{Cc}]/u
const windowsDevice = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i

/**
 * Checks a path of a backup, which comes from whoever wrote the file: it must name something below the
 * folder that is restored, on every system.
 *
 * @throws KhlongError `KHLONG_BACKUP_PATH`
 */
export function checkBackupPath(path: string): void {
  const problem = problemOf(path)
  if (problem !== undefined)
    throw new KhlongError(
      'KHLONG_BACKUP_PATH',
      `the backup holds a file named ${JSON.stringify(path.slice(0, 200))}: ${problem}`,
      { fields: { path: path.slice(0, 200) } },
    )
}

function problemOf(path: string): string | undefined {
  if (path.length > pathLengthMax) return `expected at most ${pathLengthMax} characters`
  const steps = path.split('/')
  const [top] = steps
  if (steps.length < 2 || (top !== 'data' && top !== 'pipeline'))
    return 'expected it below data/ or pipeline/'
  // That name is taken by the data.
  if (top === 'pipeline' && steps[1]?.toLowerCase() === 'data') return 'expected it below data/'
  for (const step of steps) {
    if (step === '' || step === '.' || step === '..') return 'it leads out of the folder'
    if (Buffer.byteLength(step) > stepBytesMax) return `a step has more than ${stepBytesMax} bytes`
    if (refusedCharacters.test(step)) return 'a step has a character that names must not have'
    if (/[. ]$/.test(step) || windowsDevice.test(step)) return 'a step is no name on Windows'
  }
  return undefined
}
