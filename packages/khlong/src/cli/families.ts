import type { Command } from 'commander'
import { type PartName, partNames } from '../config/part-names.ts'

/** Subcommands that stand in one source, which is loaded only where one of them is meant. */
export interface CommandFamily {
  /** The words that they are called by. */
  readonly names: readonly string[]
  /** Adds them, with their flags and arguments. */
  add(program: Command): Promise<void>
}

/** In the order in which they are shown. */
export const families: readonly CommandFamily[] = [
  {
    names: ['up', 'check', 'doctor', 'ready', 'init', 'import'],
    add: async (program) => (await import('./pipeline-commands.ts')).addPipelineCommands(program),
  },
  {
    names: ['backup', 'restore', 'verify'],
    add: async (program) => (await import('./backup-commands.ts')).addBackupCommands(program),
  },
  {
    names: ['mirror'],
    add: async (program) => (await import('./mirror-command.ts')).addMirrorCommand(program),
  },
  ...partNames.map((name) => ({
    names: [name],
    add: async (program: Command) => {
      const { addPartCommand } = await import('./part-commands.ts')
      const command = addPartCommand(program, name)
      await partClients[name]?.(command)
    },
  })),
  {
    names: ['cert'],
    add: async (program) => (await import('./cert-commands.ts')).addCertCommands(program),
  },
  {
    names: ['zk'],
    add: async (program) => (await import('./zookeeper-commands.ts')).addZooKeeperCommands(program),
  },
  {
    names: ['promql'],
    add: async (program) =>
      (await import('./prometheus-commands.ts')).addPrometheusCommands(program),
  },
  {
    names: ['mongo'],
    add: async (program) => (await import('./mongo-commands.ts')).addMongoCommands(program),
  },
  {
    names: ['device'],
    add: async (program) => (await import('./device-commands.ts')).addDeviceCommands(program),
  },
  {
    names: ['user'],
    add: async (program) => (await import('./user-commands.ts')).addUserCommands(program),
  },
  {
    names: ['token'],
    add: async (program) => (await import('./token-commands.ts')).addTokenCommands(program),
  },
]

/** What speaks with a part stands below the part's own command. */
const partClients: { readonly [Part in PartName]?: (command: Command) => Promise<void> } = {
  mqtt: async (command) => {
    const { addMqttCommands } = await import('./mqtt-commands.ts')
    const { addMqttPasswdCommand } = await import('./mqtt-passwd-command.ts')
    addMqttCommands(command)
    addMqttPasswdCommand(command)
  },
  kafka: async (command) => (await import('./kafka-commands.ts')).addKafkaCommands(command),
  connect: async (command) => (await import('./connect-commands.ts')).addConnectCommands(command),
}
