"""The job queue (RQ on Redis or Valkey). It carries numbers of job rows, nothing else.

The truth about a job is its row; what is lost here is sent again by the upkeep. So a failure to
push is an answer, not an error: one try, no retries, because a request that has committed must
not wait for a server that is down (design: proofs §7, 12 s with the client's default).
"""

from __future__ import annotations

import logging
import uuid
from functools import lru_cache

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

logger = logging.getLogger("kaowu.queue")

QUEUE_NAME = "kaowu"
#: what a worker process runs, named by text: this module does not import the layer above
ENTRY_POINT = "app.jobs.worker.perform"
#: seconds after which a job is stopped; its row then says 失败，可重试
LONGEST_JOB = 4 * 3600
_CONNECT_SECONDS = 1.0
_ANSWER_SECONDS = 3.0


class JobQueue:
    """The queue at one address. Payloads are JSON: whoever can write to the server cannot make
    a worker run code of his own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = redis.Redis.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_ANSWER_SECONDS,
        )
        self._queue = Queue(QUEUE_NAME, connection=self._connection, serializer=JSONSerializer)

    def push(self, job_id: int) -> bool:
        """Send the number of a job row, once. False when the server does not take it."""
        try:
            self._queue.enqueue(
                ENTRY_POINT,
                str(job_id),
                job_id=f"{job_id}-{uuid.uuid4().hex[:8]}",
                job_timeout=LONGEST_JOB,
                result_ttl=0,
                failure_ttl=3600,
            )
        except redis.RedisError as error:
            logger.warning("job %d was not sent: %s", job_id, type(error).__name__)
            return False
        return True

    def waiting(self) -> set[int] | None:
        """Numbers of the job rows that are in the queue; None when the server does not answer."""
        try:
            names = self._queue.job_ids
        except redis.RedisError as error:
            logger.warning("the queue does not answer: %s", type(error).__name__)
            return None
        return {int(name.partition("-")[0]) for name in names if name.partition("-")[0].isdigit()}

    def answers(self) -> bool:
        """Whether the server is there (health page)."""
        try:
            return bool(self._connection.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        """Give the connections back."""
        self._connection.close()


@lru_cache(maxsize=8)
def job_queue(url: str) -> JobQueue:
    """The process's queue at `url`; connects on first use."""
    return JobQueue(url)
