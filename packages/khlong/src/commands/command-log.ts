import { randomUUID } from 'node:crypto'
import { describeError } from '@khlong/core'
import type { ClientSecurityOptions } from '@khlong/kafka-client'
import { KhlongError } from '../errors.ts'
import {
  type Command,
  type CommandGiven,
  type CommandState,
  commandsTopic,
  makeCommand,
} from './command.ts'
import { CommandTable } from './command-table.ts'

/** How to reach Kafka. */
export interface CommandLogOptions {
  readonly bootstrapServers: string
  /** TLS and login, where Kafka asks for them. */
  readonly security?: ClientSecurityOptions | undefined
  /** Names that Kafka's addresses have, by where they are. */
  readonly hosts?: Readonly<Record<string, string>>
}

/** Commands of a pipeline in its Kafka, embedded or real: gives new ones, and knows what became of all. */
export class CommandLog implements AsyncDisposable {
  readonly #options: CommandLogOptions
  #producer: Promise<import('@khlong/kafka-client').Producer> | undefined
  #table: CommandTable | undefined

  constructor(options: CommandLogOptions) {
    this.#options = options
  }

  /**
   * Gives a command; resolved when it is durable in Kafka, from where it goes its way whatever ends.
   *
   * @throws KhlongError `KHLONG_COMMAND_INVALID`, `KHLONG_COMMANDS_UNAVAILABLE`
   */
  async give(given: CommandGiven): Promise<Command> {
    const command = makeCommand(given, Date.now(), randomUUID())
    const value = JSON.stringify(command)
    try {
      this.#producer ??= this.#openProducer()
      const producer = await this.#producer
      await producer.send({ topic: commandsTopic, key: command.device, value })
      return command
    } catch (error) {
      throw unavailable(error)
    }
  }

  /**
   * The newest commands first, of one device or of all.
   *
   * @throws KhlongError `KHLONG_COMMANDS_UNAVAILABLE`
   */
  async list(options: { device?: string | undefined; limit: number }): Promise<CommandState[]> {
    try {
      return await this.#openTable().list(options)
    } catch (error) {
      throw unavailable(error)
    }
  }

  /** What became of one command; undefined where it is not known, or not yet. */
  async find(id: string): Promise<CommandState | undefined> {
    try {
      return await this.#openTable().find(id)
    } catch (error) {
      throw unavailable(error)
    }
  }

  async close(): Promise<void> {
    const producer = await this.#producer?.catch(() => undefined)
    await Promise.all([producer?.close(), this.#table?.close()])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #openTable(): CommandTable {
    this.#table ??= new CommandTable(this.#options)
    return this.#table
  }

  async #openProducer(): Promise<import('@khlong/kafka-client').Producer> {
    const { Producer } = await import('@khlong/kafka-client')
    return new Producer({
      ...this.#options.security,
      'bootstrap.servers': this.#options.bootstrapServers,
      hosts: this.#options.hosts ?? {},
      'client.id': 'khlong-commands',
      'delivery.timeout.ms': 10_000,
      'request.timeout.ms': 5_000,
    })
  }
}

function unavailable(error: unknown): unknown {
  if (error instanceof KhlongError) return error
  return new KhlongError(
    'KHLONG_COMMANDS_UNAVAILABLE',
    `Kafka does not take or tell commands: ${describeError(error)}`,
    { cause: error, retriable: true },
  )
}
