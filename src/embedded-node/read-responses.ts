import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'

/** The messages of a ReadResp that are not events. */
export function streamNotFound(stream: string): Buffer {
  const name = new shared.StreamIdentifier().setStreamName(Buffer.from(stream))
  return serialize(
    new streams.ReadResp().setStreamNotFound(new streams.ReadResp.StreamNotFound().setStreamIdentifier(name)),
  )
}

export function confirmation(subscriptionId: string): Buffer {
  const message = new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId(subscriptionId)
  return serialize(new streams.ReadResp().setConfirmation(message))
}

export function checkpoint(position: number): Buffer {
  const message = new streams.ReadResp.Checkpoint()
  message.setCommitPosition(String(position)).setPreparePosition(String(position))
  return serialize(new streams.ReadResp().setCheckpoint(message))
}

export function caughtUp(): Buffer {
  return serialize(new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp()))
}

const serialize = (message: streams.ReadResp): Buffer => Buffer.from(message.serializeBinary())
