import type { GroupHandlers } from '@khlong/kafka-client'
import type { ConnectKafka, GroupPlace, TableTopic } from '../runtime/kafka.ts'
import { FileTable, MemoryTable } from './file-table.ts'
import { joinAlone } from './solo-group.ts'

export interface StandaloneOptions {
  readonly offsetFile: string
  readonly offsetTopic: string
  /** The topics that other workers would see; here they are none. */
  readonly ownTopics: ReadonlySet<string>
}

/**
 * Kafka for a worker without a group: records go to and come from it, but connectors come from files,
 * states are kept in memory, and offsets of sources in a file.
 */
export function standaloneKafka(kafka: ConnectKafka, options: StandaloneOptions): ConnectKafka {
  const { ownTopics, offsetTopic, offsetFile } = options
  return {
    start: () => kafka.start(),
    clusterId: () => kafka.clusterId(),
    ensureTopics: (topics) => kafka.ensureTopics(topics.filter(({ name }) => !ownTopics.has(name))),
    writer: (clientId, overrides) => kafka.writer(clientId, overrides),
    transactionalWriter: (...options) => kafka.transactionalWriter(...options),
    fence: (transactionalIds) => kafka.fence(transactionalIds),
    reader: (readerOptions, events) => kafka.reader(readerOptions, events),
    table: (topic): TableTopic =>
      topic === offsetTopic ? new FileTable(topic, offsetFile) : new MemoryTable(topic),
    joinGroup: async (groupId: string, handlers: GroupHandlers): Promise<GroupPlace> =>
      joinAlone(groupId, handlers),
    groupOffsets: (groupId) => kafka.groupOffsets(groupId),
    deleteGroup: (groupId) => kafka.deleteGroup(groupId),
    alterGroupOffsets: (groupId, offsets) => kafka.alterGroupOffsets(groupId, offsets),
    close: () => kafka.close(),
  }
}
