import { TaskRecord } from '../record.ts'
import { keySerdeOr, valueSerdeOr } from '../serdes/defaults.ts'
import type { Serde } from '../serdes/serde.ts'
import { RecordCache } from './record-cache.ts'
import type { StoreEnvironment } from './state-store.ts'

/** The serdes that an application falls back to. */
export interface SerdeSettings {
  readonly 'default.key.serde'?: Serde<unknown> | undefined
  readonly 'default.value.serde'?: Serde<unknown> | undefined
}

/** What a store is made in for its serdes alone: nothing is put into it. */
export const bareEnvironment = (storeName: string, settings: SerdeSettings): StoreEnvironment => ({
  keySerde: (given) => keySerdeOr(given, settings['default.key.serde'], storeName),
  valueSerde: (given) => valueSerdeOr(given, settings['default.value.serde'], storeName),
  changelog: { log: () => {} },
  cache: new RecordCache(0),
  record: new TaskRecord(),
})
