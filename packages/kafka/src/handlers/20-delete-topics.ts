// DeleteTopics v1–6: 4 flexible · 5 error message · 6 topic ids.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type DeletableTopicResultInput,
  decodeDeleteTopicsRequest,
  encodeDeleteTopicsResponse,
} from '@khlong/kafka-protocol/messages/delete-topics'
import { wireError, wireMessage } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { mayTopic } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

export const deleteTopics: Handler = defineHandler({
  key: ApiKey.deleteTopics,
  decode: decodeDeleteTopicsRequest,
  encode: encodeDeleteTopicsResponse,
  async handle(request, context) {
    const wanted =
      context.version >= 6
        ? request.topics
        : request.topicNames.map((name) => ({ name, topicId: undefined }))
    const responses: DeletableTopicResultInput[] = []
    for (const { name, topicId } of wanted) responses.push(await remove(name, topicId, context))
    return { responses }
  },
})

async function remove(
  name: string | null,
  topicId: string | undefined,
  context: RequestContext,
): Promise<DeletableTopicResultInput> {
  const { broker } = context
  const topic = name === null ? broker.topicsById.get(topicId ?? '') : broker.topics.get(name)
  const refuse = (errorCode: number): DeletableTopicResultInput => ({
    name,
    errorCode,
    ...(topicId === undefined ? {} : { topicId }),
  })
  const topicName = topic?.name ?? name
  if (topicName !== null && !mayTopic(context, AclOperation.delete, topicName))
    return refuse(ErrorCode.topicAuthorizationFailed)
  if (!topic)
    return refuse(name === null ? ErrorCode.unknownTopicId : ErrorCode.unknownTopicOrPartition)
  if (!broker.options['delete.topic.enable']) return refuse(ErrorCode.topicDeletionDisabled)
  try {
    await broker.metadata.deleteTopic(topic.name)
    return { name: topic.name, topicId: topic.topicId }
  } catch (error) {
    return { ...refuse(wireError(error)), errorMessage: wireMessage(error) }
  }
}
