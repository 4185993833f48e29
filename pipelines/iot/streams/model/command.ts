import { type Serde, serdes } from '@khlong/streams'
import { id, type Json, number, object, text } from './json.ts'

/** What a device is to do, until when it makes sense, and who wants it. */
export interface Command {
  /** Names the command: a device that gets it twice acts once. */
  readonly id: string
  /** The device's level in `devices/DEVICE/commands`. */
  readonly device: string
  readonly action: string
  readonly params: Json
  /** When it was given, and after when it is of no use; in milliseconds since the epoch. */
  readonly timestamp: number
  readonly expires: number
  /** The rule or person that gave it. */
  readonly by: string
}

/** What a device says to a command. A command that comes back as it was is an answer, too. */
export interface Answer {
  readonly id: string
  /** Whether it was done; true where the device says nothing about it. */
  readonly ok: boolean
  /** Why it was not done. */
  readonly error?: string
}

/** Commands in JSON. What is no whole command is a record that cannot be read: a dead letter. */
export const commands: Serde<Command> = serdes.json((json: unknown): Command => {
  const command = object(json, 'the command')
  return {
    id: id(command, 'id'),
    device: id(command, 'device'),
    action: text(command, 'action'),
    params: command.params == null ? {} : object(command.params, 'params'),
    timestamp: number(command, 'timestamp'),
    expires: number(command, 'expires'),
    by: command.by == null ? '' : text(command, 'by'),
  }
})

const errorLengthMax = 200

/** Answers in JSON; of what a device adds, only a short reason is kept. */
export const answers: Serde<Answer> = serdes.json((json: unknown): Answer => {
  const answer = object(json, 'the answer')
  const { error } = answer
  return {
    id: id(answer, 'id'),
    ok: answer.ok !== false && error == null,
    ...(error == null ? {} : { error: String(error).slice(0, errorLengthMax) }),
  }
})

/** The device whose answer comes by this MQTT topic; the broker's ACL says that it is its own. */
export function answeringDevice(topic: string): string | undefined {
  return /^devices\/([^/]+)\/commands\/ack$/.exec(topic)?.[1]
}

/** Whether a text is one level of a topic, so that a command reaches that device and no other. */
export const isTopicLevel = (level: string): boolean => /^[^/+#\0]{1,128}$/.test(level)
