import { ErrorCode } from '@khlong/kafka-protocol'
import type { RequestContext } from './handler.ts'

/** Whether groups can be kept now; the offsets topic is made on first use. */
export async function isCoordinatorReady(context: RequestContext): Promise<boolean> {
  try {
    await context.broker.groups.ready()
    return true
  } catch (error) {
    context.broker.logger.warn({ err: error }, 'the group coordinator is not ready')
    return false
  }
}

/** Whether transactions can be kept now; their topic is made on first use. */
export async function isTransactionCoordinatorReady(context: RequestContext): Promise<boolean> {
  try {
    await context.broker.transactions.ready()
    return true
  } catch (error) {
    context.broker.logger.warn({ err: error }, 'the transaction coordinator is not ready')
    return false
  }
}

/** Clients that are older than the error code know its predecessor. */
export function fencedFor(errorCode: number, isOld: boolean): number {
  return isOld && errorCode === ErrorCode.producerFenced
    ? ErrorCode.invalidProducerEpoch
    : errorCode
}
