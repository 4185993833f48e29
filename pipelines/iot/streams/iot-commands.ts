import {
  defineStreams,
  type KeyValue,
  keyValueStore,
  type Processor,
  type StreamsDefinition,
  serdes,
} from '@khlong/streams'
import { answeringDevice, answers, type Command, commands, isTopicLevel } from './model/command.ts'
import { CommandBook } from './model/command-book.ts'
import {
  type CommandEvent,
  type CommandState,
  commandEvents,
  commandStates,
} from './model/command-state.ts'
import type { PlaceMetrics } from './model/metrics.ts'
import { milliseconds, optionalNumber } from './model/settings.ts'

/** Its changelog, `iot-commands-command-states-changelog`, is the table of commands by id. */
const stateStore = 'command-states'
const dayMs = 86_400_000

/**
 * The way back to the devices. Commands are records on `iot-commands`, keyed by device: a rule, a
 * person or any producer writes them, a sink connector publishes them to `devices/DEVICE/commands`,
 * and what devices answer comes back on `iot-command-acks`.
 *
 * - **The rule**: a place whose aggregate is hotter than a limit gets its fan (`fan-PLACE`) switched
 *   on for a while; a fan that hears nothing more stops by itself.
 * - **The states**: what became of each command, in a store whose changelog is a compacted topic.
 *
 * Settings (`streams.settings` in khlong.yml):
 * - `fan.above.celsius`: from which average on; without it there is no such rule.
 * - `fan.run.ms`: how long a fan runs. Default one and a half windows, so that a hot place has no gap.
 * - `command.keep.ms`: how long the states of old commands are kept. Default 7 days.
 */
const iotCommands: StreamsDefinition = defineStreams(
  {
    'application.id': 'iot-commands',
    'processing.guarantee': 'exactly_once_v2',
    // So that, as a rule, a command is known before its answer.
    'max.task.idle.ms': 250,
    'deserialization.exception.handler': 'log-and-continue',
    'errors.dead.letter.queue.topic.name': 'iot-commands-dead-letters',
  },
  (builder, settings) => {
    const windowMs = milliseconds(settings, 'window.size.ms', 300_000)
    const runMs = milliseconds(settings, 'fan.run.ms', Math.ceil(windowMs * 1.5))
    const keepMs = milliseconds(settings, 'command.keep.ms', 7 * dayMs)
    const limit = optionalNumber(settings, 'fan.above.celsius')

    if (limit !== undefined)
      builder
        .stream('iot-aggregate-metrics-place', {
          keySerde: serdes.string,
          valueSerde: serdes.json<PlaceMetrics>(),
        })
        .filter((_key, place) => place.avg_temperature > limit && isTopicLevel(place.place_id))
        .map((_key, place) => fanOn(place, runMs))
        .to('iot-commands', { keySerde: serdes.string, valueSerde: commands })

    builder.addStateStore(
      keyValueStore({ name: stateStore, keySerde: serdes.string, valueSerde: commandStates }),
    )
    const given = builder
      .stream('iot-commands', { keySerde: serdes.string, valueSerde: commands })
      .map(
        (_key, command): KeyValue<string, CommandEvent> => [
          command.id,
          { kind: 'command', command },
        ],
      )
    builder
      .stream('iot-command-acks', { keySerde: serdes.string, valueSerde: answers })
      .flatMap((topic, answer): KeyValue<string, CommandEvent>[] => {
        const device = answeringDevice(topic)
        return device === undefined ? [] : [[answer.id, { kind: 'answer', device, answer }]]
      })
      .merge(given)
      // All that is said of one command meets in one place, whoever produced it by whatever key.
      // Commands are few: one partition, and one store, is enough for thousands a second.
      .repartition({
        name: 'command-events',
        numberOfPartitions: 1,
        keySerde: serdes.string,
        valueSerde: commandEvents,
      })
      .process(followCommands(keepMs), { stores: [stateStore] })
  },
)

export default iotCommands

/** The command to the fan of a hot place. It has the same id whenever it is computed. */
function fanOn(place: PlaceMetrics, runMs: number): KeyValue<string, Command> {
  const device = `fan-${place.place_id}`
  const command = {
    id: `${device}-${place.start_agg}`,
    device,
    action: 'fan',
    params: { seconds: Math.ceil(runMs / 1_000) },
    timestamp: place.end_agg,
    expires: place.end_agg + runMs,
    by: 'rule: hot place',
  }
  return [device, command]
}

/** Keeps the states of commands, and lets those expire that nobody answers. */
function followCommands(
  keepMs: number,
): () => Processor<string, CommandEvent, string, CommandState> {
  return () => {
    let book: CommandBook
    return {
      init: (context) => {
        book = new CommandBook(context.keyValueStore<string, CommandState>(stateStore), keepMs)
        context.schedule(1_000, 'wall-clock-time', (nowMs) => book.advance(nowMs))
      },
      process: ({ value: event, timestampMs }) => book.apply(event, timestampMs),
    }
  }
}
