import type { FastifyInstance } from 'fastify'
import { notConfigured } from '../errors.ts'
import type { KafkaLink } from './kafka-link.ts'

/** `/-/kafka/topics`, `/-/kafka/groups`, `/-/kafka/records`. */
export function kafkaRoutes(app: FastifyInstance, kafka: KafkaLink | undefined): void {
  const link = (): KafkaLink => {
    if (!kafka) throw notConfigured('kafka')
    return kafka
  }
  app.get('/-/kafka/topics', async () => ({ topics: await link().topics() }))
  app.get('/-/kafka/groups', async () => ({ groups: await link().groups() }))
  app.get<{
    Querystring: { topic: string; partition?: string; offset?: string; limit?: string }
  }>('/-/kafka/records', async (request) => {
    const { topic, partition, offset, limit = '50' } = request.query
    return {
      records: await link().records({
        topic,
        partition: numberOr(partition, undefined),
        offset: numberOr(offset, undefined),
        limit: numberOr(limit, 50),
      }),
    }
  })
}

function numberOr<Otherwise>(text: string | undefined, otherwise: Otherwise): number | Otherwise {
  if (text === undefined || text === '') return otherwise
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : otherwise
}
