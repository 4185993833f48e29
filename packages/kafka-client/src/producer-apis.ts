import { ApiKey } from '@khlong/kafka-protocol'
import * as addOffsets from '@khlong/kafka-protocol/messages/add-offsets-to-txn'
import * as addPartitions from '@khlong/kafka-protocol/messages/add-partitions-to-txn'
import * as endTxn from '@khlong/kafka-protocol/messages/end-txn'
import * as initProducerId from '@khlong/kafka-protocol/messages/init-producer-id'
import * as produce from '@khlong/kafka-protocol/messages/produce'
import * as txnOffsetCommit from '@khlong/kafka-protocol/messages/txn-offset-commit'
import { type Api, defineApi } from './api.ts'

// Later versions of these belong to the second transaction protocol (KIP-890) or name topics by id.

export const produceApi: Api<produce.ProduceRequestInput, produce.ProduceResponse> = defineApi(
  ApiKey.produce,
  produce.encodeProduceRequest,
  produce.decodeProduceResponse,
  { maxVersion: 11 },
)
export const initProducerIdApi: Api<
  initProducerId.InitProducerIdRequestInput,
  initProducerId.InitProducerIdResponse
> = defineApi(
  ApiKey.initProducerId,
  initProducerId.encodeInitProducerIdRequest,
  initProducerId.decodeInitProducerIdResponse,
  { maxVersion: 4 },
)
export const addPartitionsToTxnApi: Api<
  addPartitions.AddPartitionsToTxnRequestInput,
  addPartitions.AddPartitionsToTxnResponse
> = defineApi(
  ApiKey.addPartitionsToTxn,
  addPartitions.encodeAddPartitionsToTxnRequest,
  addPartitions.decodeAddPartitionsToTxnResponse,
  { maxVersion: 3 },
)
export const addOffsetsToTxnApi: Api<
  addOffsets.AddOffsetsToTxnRequestInput,
  addOffsets.AddOffsetsToTxnResponse
> = defineApi(
  ApiKey.addOffsetsToTxn,
  addOffsets.encodeAddOffsetsToTxnRequest,
  addOffsets.decodeAddOffsetsToTxnResponse,
  { maxVersion: 3 },
)
export const endTxnApi: Api<endTxn.EndTxnRequestInput, endTxn.EndTxnResponse> = defineApi(
  ApiKey.endTxn,
  endTxn.encodeEndTxnRequest,
  endTxn.decodeEndTxnResponse,
  { maxVersion: 3 },
)
export const txnOffsetCommitApi: Api<
  txnOffsetCommit.TxnOffsetCommitRequestInput,
  txnOffsetCommit.TxnOffsetCommitResponse
> = defineApi(
  ApiKey.txnOffsetCommit,
  txnOffsetCommit.encodeTxnOffsetCommitRequest,
  txnOffsetCommit.decodeTxnOffsetCommitResponse,
  { maxVersion: 3 },
)
