import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Part } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'
import { makePart } from '../parts/load.ts'

/** Which systems a test needs; an object gives settings by the real system's names. */
export interface StartOptions {
  kafka?: boolean | Readonly<Record<string, unknown>>
  mongodb?: boolean | Readonly<Record<string, unknown>>
  mqtt?: boolean | Readonly<Record<string, unknown>>
  zookeeper?: boolean | Readonly<Record<string, unknown>>
}

/** Systems that run in this process, each on a free port and with a folder of its own. */
export interface TestSystems extends AsyncDisposable {
  /** @throws Error where it was not asked for; so do the others. */
  readonly kafka: { readonly bootstrapServers: string }
  readonly mongodb: { readonly url: string }
  readonly mqtt: { readonly url: string }
  readonly zookeeper: { readonly connect: string }
  stop(): Promise<void>
}

/**
 * Starts the systems that a test needs, without containers: free ports and temporary
 * folders that are removed at the end.
 *
 * @example
 * await using systems = await start({ kafka: true, mongodb: true })
 * const kafka = new Kafka({ brokers: [systems.kafka.bootstrapServers] })
 */
export async function start(options: StartOptions): Promise<TestSystems> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-test-'))
  const running = new Map<PartName, Part>()
  const stop = async (): Promise<void> => {
    await Promise.all([...running.values()].map((part) => part.stop({ deadlineMs: 500 })))
    running.clear()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  const wanted = (['zookeeper', 'kafka', 'mongodb', 'mqtt'] as const).filter(
    (name) => options[name],
  )
  try {
    await Promise.all(
      wanted.map(async (name) => {
        const given = options[name]
        const part = await makePart(
          name,
          { listen: 0, data: path.join(folder, name), ...(typeof given === 'object' ? given : {}) },
          { name: `start({ ${name} })` },
          {},
        )
        running.set(name, part)
        await part.start()
      }),
    )
  } catch (error) {
    await stop()
    throw error
  }
  const address = (name: PartName): string => {
    const part = running.get(name)
    const first = part && Object.values(part.addresses)[0]
    if (first === undefined)
      throw new Error(`${name} was not started; ask for it: start({ ${name}: true })`)
    return first
  }
  return {
    get kafka() {
      return { bootstrapServers: address('kafka') }
    },
    get mongodb() {
      return { url: `mongodb://${address('mongodb')}` }
    },
    get mqtt() {
      return { url: `mqtt://${address('mqtt')}` }
    },
    get zookeeper() {
      return { connect: address('zookeeper') }
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
