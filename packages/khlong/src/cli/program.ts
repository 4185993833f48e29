import { CodedError, describeError } from '@khlong/core'
import { Command, CommanderError } from 'commander'
import { version } from '../version.ts'
import { addBackupCommands } from './backup-commands.ts'
import { addCertCommands } from './cert-commands.ts'
import { addConnectCommands } from './connect-commands.ts'
import { addDeviceCommands } from './device-commands.ts'
import { addKafkaCommands } from './kafka-commands.ts'
import { addMirrorCommand } from './mirror-command.ts'
import { addMongoCommands } from './mongo-commands.ts'
import { addMqttCommands } from './mqtt-commands.ts'
import { addMqttPasswdCommand } from './mqtt-passwd-command.ts'
import { addPartCommands } from './part-commands.ts'
import { addPipelineCommands } from './pipeline-commands.ts'
import { addPrometheusCommands } from './prometheus-commands.ts'
import { addTokenCommands } from './token-commands.ts'
import { addUserCommands } from './user-commands.ts'
import { addZooKeeperCommands } from './zookeeper-commands.ts'

/** Every subcommand with its flags and arguments; documents are checked against it too. */
export function makeProgram(): Command {
  const program = new Command('khlong')
    .description('The IoT event-streaming stack, in one process')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(khlong --help says more)')
  addPipelineCommands(program)
  addBackupCommands(program)
  addMirrorCommand(program)
  const parts = addPartCommands(program)
  addMqttCommands(parts.mqtt)
  addMqttPasswdCommand(parts.mqtt)
  addCertCommands(program)
  addKafkaCommands(parts.kafka)
  addConnectCommands(parts.connect)
  addZooKeeperCommands(program)
  addPrometheusCommands(program)
  addMongoCommands(program)
  addDeviceCommands(program)
  addUserCommands(program)
  addTokenCommands(program)
  return program
}

/**
 * Runs one command line and gives its exit code: 0 done, 1 failed, 2 misused. Data goes to standard
 * output, everything else to standard error.
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  try {
    await makeProgram().parseAsync(args, { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`khlong: ${describeError(error)}\n`)
    if (process.env.KHLONG_DEBUG) process.stderr.write(`${(error as Error).stack}\n`)
    return error instanceof CodedError && error.code === 'KHLONG_USAGE' ? 2 : 1
  }
}
