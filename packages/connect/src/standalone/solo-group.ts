import type { GroupHandlers } from '@khlong/kafka-client'
import type { GroupPlace } from '../runtime/kafka.ts'

/** A group of one: the worker leads, and has all. */
export function joinAlone(groupId: string, handlers: GroupHandlers): GroupPlace {
  const memberId = 'standalone'
  let generationId = 0
  let isWanted = false
  let hasLeft = false
  let running: Promise<void> | undefined

  const rounds = async (): Promise<void> => {
    while (isWanted && !hasLeft) {
      isWanted = false
      const [protocol] = await handlers.protocols()
      if (!protocol) return
      const metadata = Buffer.from(protocol.metadata)
      const members = [{ memberId, groupInstanceId: null, metadata }]
      const parts = await handlers.assign(protocol.name, members)
      generationId++
      await handlers.onAssigned(Buffer.from(parts.get(memberId) ?? []), {
        groupId,
        generationId,
        memberId,
        groupInstanceId: null,
        protocol: protocol.name,
        leaderId: memberId,
      })
    }
  }
  const rejoin = (): void => {
    isWanted = true
    // In a later turn, so that the place is known by then and many reasons make one round.
    running ??= new Promise<void>((resolve) => setImmediate(resolve)).then(rounds).finally(() => {
      running = undefined
      if (isWanted && !hasLeft) rejoin()
    })
  }
  rejoin()
  return {
    memberId,
    isLeader: true,
    rejoin,
    leave: async () => {
      hasLeft = true
      await running
    },
  }
}
