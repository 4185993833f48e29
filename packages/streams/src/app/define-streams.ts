import type { StreamsSettings } from '../config.ts'
import type { SerdesAre } from '../dsl/serdes-state.ts'
import { StreamsBuilder } from '../dsl/streams-builder.ts'
import type { Topology } from '../topology/topology.ts'

/** What the pipeline hands to an application: the `settings` of its configuration. */
export type ApplicationSettings = Readonly<Record<string, unknown>>

/** Builds an application's topology. */
export type TopologyDefinition = (builder: StreamsBuilder, settings: ApplicationSettings) => void

const definitionMark: unique symbol = Symbol.for('khlong.streams.definition')

/** A streams application as a module exports it. */
export interface StreamsDefinition {
  readonly [definitionMark]: true
  readonly config: StreamsSettings
  /** Builds the topology anew. */
  build(settings?: ApplicationSettings): Topology
}

/** Whether the settings have a default serde; what may have one counts as having it. */
type Default<S> = [S] extends [undefined] ? 'missing' : 'default'

/**
 * Defines a streams application: its configuration, in the keys of Java's `StreamsConfig`, and its
 * topology. A module that exports one by default is started by {@link StreamsApps}.
 *
 * @example
 * export default defineStreams({ 'application.id': 'shout' }, (builder) => {
 *   const text = { keySerde: serdes.string, valueSerde: serdes.string }
 *   builder.stream('said', text).mapValues((words) => words.toUpperCase()).to('shouted', text)
 * })
 */
export function defineStreams<KeySerde = undefined, ValueSerde = undefined>(
  config: StreamsSettings & {
    readonly 'default.key.serde'?: KeySerde
    readonly 'default.value.serde'?: ValueSerde
  },
  define: (
    builder: StreamsBuilder<SerdesAre<Default<KeySerde>, Default<ValueSerde>>>,
    settings: ApplicationSettings,
  ) => void,
): StreamsDefinition {
  return {
    [definitionMark]: true,
    config,
    build(settings = {}) {
      const isInMemory = config['default.dsl.store'] === 'in_memory'
      const builder = new StreamsBuilder<SerdesAre<Default<KeySerde>, Default<ValueSerde>>>({
        defaultStore: isInMemory ? 'memory' : 'persistent',
      })
      define(builder, settings)
      return builder.build()
    },
  }
}

/** Whether a module's export is an application. Copies of this library know each other's. */
export const isStreamsDefinition = (value: unknown): value is StreamsDefinition =>
  typeof value === 'object' && value !== null && definitionMark in value
