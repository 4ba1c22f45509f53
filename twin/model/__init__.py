"""Define the tables, the only definition of each thing."""

from twin.model.access import Account, AuditEntry, Credential, Membership, PasswordHistory
from twin.model.address import Address, DoorPlate
from twin.model.alarm import Alarm, AlarmGroup, MaintenanceWindow, Shelving
from twin.model.area import LEVELS, Area
from twin.model.assignment import Assignment
from twin.model.base import Base, Imported
from twin.model.building import Building
from twin.model.camera_source import CameraSource
from twin.model.case import SOURCES, STAGES, Case, Journal
from twin.model.closure import Closure
from twin.model.component import Component
from twin.model.compound import Compound
from twin.model.dataset import Dataset, FeatureHistory, ImportReject, ImportRun
from twin.model.declared import (
    Datastream,
    DeclaredFeature,
    DeclaredPlace,
    DeclaredProperty,
    ObservationDetail,
    Sensor,
)
from twin.model.device import Device, DeviceState
from twin.model.feed_mapping import FeedMapping
from twin.model.feed_pause import FeedPause
from twin.model.gate import PASSING, Gate
from twin.model.ground import GroundCover, Road
from twin.model.network import NetworkLine, NetworkNode, ServiceConnection
from twin.model.observation import (
    OBSERVATION_COUNT,
    CountedDay,
    Observation,
    ObservationHour,
    Quarantine,
    RetiredDay,
)
from twin.model.partner import ParkedDelivery, Partner, PartnerCase, ReceivedMessage
from twin.model.person import Person
from twin.model.photograph import Photograph
from twin.model.place import ServicePoint
from twin.model.publisher import Publisher, PublisherSecret
from twin.model.report import CaseReport, CaseSeries
from twin.model.responsibility import Responsibility
from twin.model.roster import Certificate, Shift
from twin.model.rule import AlarmRule, AlarmRuleSeries, GatheringUsual
from twin.model.street import StreetCost, StreetEdge, StreetNode
from twin.model.worker import Duty, Organisation, Worker

IMPORTED_TABLES = (
    Area,
    Building,
    Road,
    GroundCover,
    Address,
    Device,
    ServicePoint,
    Component,
    NetworkNode,
    NetworkLine,
    Compound,
    Gate,
)
"""Tables whose rows come from files; each has the history trigger."""

TILE_TABLES = (
    Area,
    Building,
    Road,
    GroundCover,
    Device,
    ServicePoint,
    Component,
    NetworkNode,
    NetworkLine,
    Compound,
    Gate,
)
"""Tables that vector tiles are cut from; a change in one of them notifies the channel ``tiles``."""

__all__ = [
    "IMPORTED_TABLES",
    "LEVELS",
    "OBSERVATION_COUNT",
    "PASSING",
    "SOURCES",
    "STAGES",
    "TILE_TABLES",
    "Account",
    "Address",
    "Alarm",
    "AlarmGroup",
    "AlarmRule",
    "AlarmRuleSeries",
    "Area",
    "Assignment",
    "AuditEntry",
    "Base",
    "Building",
    "CameraSource",
    "Case",
    "CaseReport",
    "CaseSeries",
    "Certificate",
    "Closure",
    "Component",
    "Compound",
    "CountedDay",
    "Credential",
    "Dataset",
    "Datastream",
    "DeclaredFeature",
    "DeclaredPlace",
    "DeclaredProperty",
    "Device",
    "DeviceState",
    "DoorPlate",
    "Duty",
    "FeatureHistory",
    "FeedMapping",
    "FeedPause",
    "Gate",
    "GatheringUsual",
    "GroundCover",
    "ImportReject",
    "ImportRun",
    "Imported",
    "Journal",
    "MaintenanceWindow",
    "Membership",
    "NetworkLine",
    "NetworkNode",
    "Observation",
    "ObservationDetail",
    "ObservationHour",
    "Organisation",
    "ParkedDelivery",
    "Partner",
    "PartnerCase",
    "PasswordHistory",
    "Person",
    "Photograph",
    "Publisher",
    "PublisherSecret",
    "Quarantine",
    "ReceivedMessage",
    "Responsibility",
    "RetiredDay",
    "Road",
    "Sensor",
    "ServiceConnection",
    "ServicePoint",
    "Shelving",
    "Shift",
    "StreetCost",
    "StreetEdge",
    "StreetNode",
    "Worker",
]
