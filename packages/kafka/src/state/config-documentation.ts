/** What a setting of a topic does, in a sentence: DescribeConfigs gives it to tools that show settings to people. */
const documentation: Readonly<Record<string, string>> = {
  'cleanup.policy': 'What becomes of old segments: delete, compact, or both.',
  'compression.gzip.level':
    'How much gzip tries, from 1 to 9, where compression.type says gzip; -1 is its default.',
  'compression.lz4.level': 'How much LZ4 tries, where compression.type says lz4.',
  'compression.zstd.level':
    'How much zstd tries, from -131072 to 22, where compression.type says zstd.',
  'compression.type': 'The compression that batches lie on disk with; producer keeps what came.',
  'delete.retention.ms': 'How long a tombstone stays in a compacted topic, in milliseconds.',
  'file.delete.delay.ms':
    'How long a file is kept after it was taken out of the log, in milliseconds.',
  'flush.messages': 'After how many records the log is flushed to the disk.',
  'flush.ms': 'After how many milliseconds the log is flushed to the disk.',
  'follower.replication.throttled.replicas':
    'Replicas whose followers are throttled; one broker has none.',
  'index.interval.bytes': 'How many bytes of records lie between two entries of the offset index.',
  'leader.replication.throttled.replicas':
    'Replicas whose leaders are throttled; one broker has none.',
  'local.retention.bytes':
    'How large the local part of a partition in tiered storage may grow, in bytes.',
  'local.retention.ms':
    'How long records of a partition in tiered storage are kept locally, in milliseconds.',
  'max.compaction.lag.ms': 'How long a record may stay uncompacted at most, in milliseconds.',
  'max.message.bytes': 'The largest batch that is taken, in bytes, after compression.',
  'message.timestamp.after.max.ms':
    'How far a timestamp may lie after the time of the broker, in milliseconds.',
  'message.timestamp.before.max.ms':
    'How far a timestamp may lie before the time of the broker, in milliseconds.',
  'message.timestamp.type': 'Whether a record has the time of its maker or that of its arrival.',
  'min.cleanable.dirty.ratio':
    'The share of a log that must be uncompacted before it is compacted.',
  'min.compaction.lag.ms': 'How long a record stays uncompacted at least, in milliseconds.',
  'min.insync.replicas': 'How many replicas must have a record when acks is all.',
  preallocate: 'Whether the file of a new segment gets its full size at once.',
  'remote.log.copy.disable': 'Whether tiered storage takes no more records.',
  'remote.log.delete.on.disable': 'Whether the records in tiered storage go when it is disabled.',
  'remote.storage.enable': 'Whether the topic has tiered storage; there is none yet.',
  'retention.bytes': 'How large a partition may grow, in bytes; -1 is without limit.',
  'retention.ms': 'How long records are kept, in milliseconds; -1 is for ever.',
  'segment.bytes': 'The size of a segment, in bytes.',
  'segment.index.bytes': 'The size of a segment’s index, in bytes.',
  'segment.jitter.ms': 'How much earlier than segment.ms a segment may be closed, in milliseconds.',
  'segment.ms': 'How long a segment takes records, in milliseconds.',
  'unclean.leader.election.enable':
    'Whether a replica that is behind may lead; one broker has none.',
}

/** Undefined for a setting that has none. */
export function documentationOf(topicConfigName: string): string | undefined {
  return documentation[topicConfigName]
}
