// WriteTxnMarkers v1–2: 2 transaction version. Brokers use it among themselves; here an admin ends a
// transaction that hangs (`kafka-transactions.sh abort`).
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeWriteTxnMarkersRequest,
  encodeWriteTxnMarkersResponse,
  type WritableTxnMarker,
} from '@khlong/kafka-protocol/messages/write-txn-markers'
import { wireError } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

export const writeTxnMarkers: Handler = defineHandler({
  key: ApiKey.writeTxnMarkers,
  decode: decodeWriteTxnMarkersRequest,
  encode: encodeWriteTxnMarkersResponse,
  async handle(request, context) {
    const isAllowed =
      mayCluster(context, AclOperation.alter) || mayCluster(context, AclOperation.clusterAction)
    const markers = await Promise.all(
      request.markers.map(async (marker) => ({
        producerId: marker.producerId,
        topics: await Promise.all(
          marker.topics.map(async ({ name, partitionIndexes }) => ({
            name,
            partitions: await Promise.all(
              partitionIndexes.map(async (partitionIndex) => ({
                partitionIndex,
                errorCode: isAllowed
                  ? await write(context, marker, name, partitionIndex)
                  : ErrorCode.clusterAuthorizationFailed,
              })),
            ),
          })),
        ),
      })),
    )
    return { markers }
  },
})

async function write(
  { broker }: RequestContext,
  marker: WritableTxnMarker,
  topic: string,
  partition: number,
): Promise<number> {
  const log = broker.topics.get(topic)?.partitions[partition]
  if (!log) return ErrorCode.unknownTopicOrPartition
  try {
    return await broker.transactions.writeMarker(log, {
      producerId: marker.producerId,
      producerEpoch: marker.producerEpoch,
      coordinatorEpoch: marker.coordinatorEpoch,
      isCommit: marker.transactionResult,
    })
  } catch (error) {
    return wireError(error)
  }
}
