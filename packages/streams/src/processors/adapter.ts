import type { KeyValueStore } from '../state/key-value-store.ts'
import type { WindowStore } from '../state/window-store.ts'
import type { NodeContext, ProcessorSupplier } from '../topology/processor-node.ts'
import type { Processor, ProcessorContext, StreamRecord, ValuesProcessor } from './processor-api.ts'

// User's processors as nodes of a topology.

export const adaptProcessor =
  <KIn, VIn, KOut, VOut>(supplier: () => Processor<KIn, VIn, KOut, VOut>): ProcessorSupplier =>
  (context) => {
    const processor = supplier()
    processor.init?.({
      ...commonContext(context),
      forward: (record, child) =>
        context.forwardWithHeaders(
          record.key,
          record.value,
          record.timestampMs,
          record.headers,
          child,
        ),
      schedule: (intervalMs, type, callback) => context.schedule(intervalMs, type, callback),
    })
    return {
      process: (key, value, timestampMs) =>
        processor.process(recordOf<KIn, VIn>(context, key, value, timestampMs)),
      close: () => processor.close?.(),
    }
  }

export const adaptValuesProcessor =
  <K, VIn, VOut>(supplier: () => ValuesProcessor<K, VIn, VOut>): ProcessorSupplier =>
  (context) => {
    const processor = supplier()
    let current: StreamRecord<K, VIn> | undefined
    processor.init?.({
      ...commonContext(context),
      forward(value, changes = {}) {
        if (!current) throw new Error('forward outside of process')
        context.forwardWithHeaders(
          current.key,
          value,
          changes.timestampMs ?? current.timestampMs,
          changes.headers ?? current.headers,
        )
      },
    })
    return {
      process(key, value, timestampMs) {
        current = recordOf<K, VIn>(context, key, value, timestampMs)
        processor.process(current)
        current = undefined
      },
      close: () => processor.close?.(),
    }
  }

function commonContext(
  context: NodeContext,
): Omit<ProcessorContext<unknown, unknown>, 'forward' | 'schedule'> {
  return {
    applicationId: context.applicationId,
    taskId: context.taskId,
    recordMetadata: context.record,
    keyValueStore: <SK, SV>(name: string) => context.store(name) as KeyValueStore<SK, SV>,
    windowStore: <SK, SV>(name: string) => context.store(name) as WindowStore<SK, SV>,
    streamTimeMs: () => context.streamTimeMs(),
    nowMs: () => context.nowMs(),
  }
}

const recordOf = <K, V>(
  context: NodeContext,
  key: unknown,
  value: unknown,
  timestampMs: number,
): StreamRecord<K, V> => ({
  key: key as K,
  value: value as V,
  timestampMs,
  headers: context.record.headers,
})
