import {
  defineStreams,
  minutes,
  type StreamsDefinition,
  serdes,
  TimeWindows,
} from '../../src/index.ts'

// Counts words, in all and by minutes: a topology that several threads build.
// `boom` throws where it is processed, `crash` somewhere else in its thread.

const text = { keySerde: serdes.string, valueSerde: serdes.string }

const wordCount: StreamsDefinition = defineStreams(
  { 'application.id': 'word-count', 'default.key.serde': serdes.string },
  (builder, settings) => {
    const words = builder
      .stream(String(settings.from ?? 'words'), text)
      .peek((_key, word) => {
        if (word === 'boom') throw new Error('boom was said')
        if (word === 'crash') setImmediate(() => fail())
      })
      .groupBy((_key, word) => word, text)
    words.count({ storeName: 'counts' }).toStream().to('counted', { valueSerde: serdes.long })
    words.windowedBy(TimeWindows.ofSizeWithNoGrace(minutes(1))).count({ storeName: 'by-minute' })
  },
)
export default wordCount

function fail(): never {
  throw new Error('crash was said')
}
