import { CodedError, describeError } from '@khlong/core'
import { Command, CommanderError } from 'commander'
import { version } from '../version.ts'
import { families } from './families.ts'

/**
 * The subcommands with their flags and arguments: every one, as documents are checked against it, or only the
 * family of `word` where that is one of theirs.
 */
export async function makeProgram(word?: string): Promise<Command> {
  const program = new Command('khlong')
    .description('The IoT event-streaming stack, in one process')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(khlong --help says more)')
  const family = families.find(({ names }) => word !== undefined && names.includes(word))
  for (const { add } of family ? [family] : families) await add(program)
  return program
}

/**
 * Runs one command line and gives its exit code: 0 done, 1 failed, 2 misused. Data goes to standard
 * output, everything else to standard error.
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  try {
    const program = await makeProgram(args[0])
    await program.parseAsync(args, { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`khlong: ${describeError(error)}\n`)
    if (process.env.KHLONG_DEBUG) process.stderr.write(`${(error as Error).stack}\n`)
    return error instanceof CodedError && error.code === 'KHLONG_USAGE' ? 2 : 1
  }
}
