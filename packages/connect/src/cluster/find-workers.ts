import { Admin, type KafkaClientOptions } from '@khlong/kafka-client'
import { decodeWorkerState } from './worker-protocol.ts'

/**
 * REST addresses of the workers that share the work of a group now, ours and Java's; one that was killed is
 * among them until its session is over.
 *
 * @throws KafkaClientError
 */
export async function findWorkers(kafka: KafkaClientOptions, groupId: string): Promise<string[]> {
  await using admin = new Admin({ ...kafka, 'default.api.timeout.ms': 5_000 })
  const [group] = await admin.describeGroups([groupId])
  return (group?.members ?? [])
    .filter(({ metadata }) => metadata.length > 0)
    .map(({ metadata }) => decodeWorkerState(metadata).url)
}
