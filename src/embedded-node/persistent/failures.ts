import { status } from '@grpc/grpc-js'
import { Failure } from '../status.ts'

// What EventStoreDB's clients recognise a failed call to a persistent subscription by.

export interface GroupName {
  readonly stream: string
  readonly group: string
}

const failure = (code: status, details: string, exception: string, { stream, group }: GroupName): Failure =>
  new Failure(code, details, { exception, 'stream-name': stream, 'group-name': group })

const title = ({ stream, group }: GroupName): string => `Subscription group ${group} on stream ${stream}`

export const groupExists = (name: GroupName): Failure =>
  failure(status.ALREADY_EXISTS, `${title(name)} exists.`, 'persistent-subscription-exists', name)

export const groupDoesNotExist = (name: GroupName): Failure =>
  failure(status.NOT_FOUND, `${title(name)} does not exist.`, 'persistent-subscription-does-not-exist', name)

export const groupDropped = (name: GroupName): Failure =>
  failure(status.CANCELLED, `${title(name)} was dropped.`, 'persistent-subscription-dropped', name)

export const groupIsFull = (name: GroupName): Failure =>
  failure(
    status.FAILED_PRECONDITION,
    `Maximum subscriptions reached for subscription group ${name.group} on stream ${name.stream}.`,
    'maximum-subscribers-reached',
    name,
  )

export const groupFailed = (name: GroupName, reason: string): Failure =>
  new Failure(status.INTERNAL, `${title(name)} failed: '${reason}'`, {
    exception: 'persistent-subscription-failed',
    'stream-name': name.stream,
    'group-name': name.group,
    reason,
  })
