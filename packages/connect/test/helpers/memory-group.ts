import type { Generation, GroupHandlers } from '@khlong/kafka-client'
import type { GroupPlace } from '../../src/runtime/kafka.ts'

interface Member extends GroupPlace {
  readonly handlers: GroupHandlers
}

/** A group as a broker keeps it, without waiting: whoever joins or leaves begins a round. */
export class MemoryGroup {
  readonly #groupId: string
  readonly #members: Member[] = []
  #joined = 0
  #generation = 0
  #round: Promise<void> | undefined
  #isWanted = false

  constructor(groupId: string) {
    this.#groupId = groupId
  }

  join(handlers: GroupHandlers): GroupPlace {
    const group = this
    const memberId = `member-${this.#joined++}`
    const member: Member = {
      memberId,
      handlers,
      get isLeader() {
        return group.#members[0]?.memberId === memberId
      },
      rejoin: () => this.#begin(),
      leave: async () => this.remove(memberId),
    }
    this.#members.push(member)
    this.#begin()
    return member
  }

  /** Takes a member out, as its broker does when nothing is heard of it. */
  remove(memberId: string): void {
    const index = this.#members.findIndex((member) => member.memberId === memberId)
    if (index >= 0) this.#members.splice(index, 1)
    this.#begin()
  }

  #begin(): void {
    this.#isWanted = true
    this.#round ??= this.#rounds().finally(() => {
      this.#round = undefined
    })
  }

  async #rounds(): Promise<void> {
    while (this.#isWanted) {
      await new Promise((resolve) => setImmediate(resolve))
      this.#isWanted = false
      const members = [...this.#members]
      const [leader] = members
      if (!leader) return
      const joined = await Promise.all(
        members.map(async ({ memberId, handlers }) => {
          const [protocol] = await handlers.protocols()
          const metadata = Buffer.from(protocol!.metadata)
          return { memberId, groupInstanceId: null, metadata }
        }),
      )
      const parts = await leader.handlers.assign('compatible', joined)
      this.#generation++
      await Promise.all(
        members.map(({ memberId, handlers }) => {
          const generation: Generation = {
            groupId: this.#groupId,
            generationId: this.#generation,
            memberId,
            groupInstanceId: null,
            protocol: 'compatible',
            leaderId: leader.memberId,
          }
          return handlers.onAssigned(Buffer.from(parts.get(memberId)!), generation)
        }),
      )
    }
  }
}
