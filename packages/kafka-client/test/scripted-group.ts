import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import type { HeartbeatRequest } from '@khlong/kafka-protocol/messages/heartbeat'
import type { JoinGroupRequest } from '@khlong/kafka-protocol/messages/join-group'
import type { SyncGroupRequest } from '@khlong/kafka-protocol/messages/sync-group'
import type { ScriptedBroker } from './scripted-broker.ts'

/** A coordinator with one member, which leads; a test decides what heartbeats are answered. */
export class ScriptedGroup {
  readonly events: string[] = []
  generation = 0
  heartbeatError: number = 0

  constructor(broker: ScriptedBroker) {
    broker.answers.set(ApiKey.findCoordinator, () => ({
      coordinators: [{ key: 'g', nodeId: 1, host: '127.0.0.1', port: broker.port }],
    }))
    broker.answers.set(ApiKey.joinGroup, (request: JoinGroupRequest) => {
      this.events.push(`join ${request.memberId || '-'} ${request.protocolType}`)
      if (request.memberId === '')
        return {
          errorCode: ErrorCode.memberIdRequired,
          generationId: -1,
          memberId: `m${this.generation}`,
          protocolName: '',
          leader: '',
          members: [],
        }
      this.heartbeatError = 0
      const { memberId } = request
      return {
        generationId: ++this.generation,
        protocolType: request.protocolType,
        protocolName: request.protocols[0]!.name,
        leader: memberId,
        memberId,
        members: [{ memberId, metadata: request.protocols[0]!.metadata }],
      }
    })
    broker.answers.set(ApiKey.syncGroup, (request: SyncGroupRequest) => ({
      protocolType: request.protocolType,
      protocolName: request.protocolName,
      assignment: request.assignments[0]!.assignment,
    }))
    broker.answers.set(ApiKey.heartbeat, (request: HeartbeatRequest) => {
      const isStale = request.generationId !== this.generation
      return { errorCode: isStale ? ErrorCode.illegalGeneration : this.heartbeatError }
    })
    broker.answers.set(ApiKey.leaveGroup, () => {
      this.events.push('leave')
      return { members: [] }
    })
  }
}
