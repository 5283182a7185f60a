"""Data sets with a vocabulary of their own: Mapillary Vistas, ADE20K, Pascal VOC, CamVid, LoveDA.

Sources: Mapillary Vistas 1.2 and 2.0, the ``config_v1.2.json`` and ``config_v2.0.json`` of its
download (https://www.mapillary.com/dataset/vistas), ids in the order of the list. ADE20K,
``objectInfo150.txt`` of https://github.com/CSAILVision/sceneparsing, 1 .. 150, 0 = other. Pascal
VOC 2012, http://host.robots.ox.ac.uk/pascal/VOC/voc2012/segexamples, 255 = void. CamVid,
``label_colors.txt`` of http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid; ids are places
in that list, as in the files that end in ``_P``; its eleven classes are grouped as by SegNet
(https://www.mathworks.com/help/vision/ug/semantic-segmentation-using-deep-learning.html). LoveDA:
https://github.com/Junjue-Wang/LoveDA, 0 = no data.
"""

from __future__ import annotations

from typing import Final

from curate.data.id_tables.table import PublishedIds

CAMVID_CLASSES: Final = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip

_MAPILLARY_AS_CITYSCAPES: Final = {
    "construction--flat--road": "road",
    "construction--flat--sidewalk": "sidewalk",
    "construction--structure--building": "building",
    "construction--barrier--wall": "wall",
    "construction--barrier--fence": "fence",
    "object--support--pole": "pole",
    "object--support--utility-pole": "pole",
    "object--traffic-light": "traffic light",
    "object--traffic-sign--front": "traffic sign",
    "nature--vegetation": "vegetation",
    "nature--terrain": "terrain",
    "nature--sky": "sky",
    "human--person": "person",
    "human--rider": "rider",
    "object--vehicle--car": "car",
    "object--vehicle--truck": "truck",
    "object--vehicle--bus": "bus",
    "object--vehicle--on-rails": "train",
    "object--vehicle--motorcycle": "motorcycle",
    "object--vehicle--bicycle": "bicycle",
    "marking--crosswalk-zebra": "road",
    "marking--general": "road",
    "marking--continuous": "road",
    "marking--discrete": "road",
}
"""The classes of both that mean the same, by name or by the start of it; markings lie on roads."""


def _words(text: str) -> list[str]:
    """Split a text into words, ``_`` being a space inside of one."""
    return [word.replace("_", " ") for word in text.split()]


_MAPILLARY_12: Final = _words("""
animal--bird animal--ground-animal construction--barrier--curb construction--barrier--fence
construction--barrier--guard-rail construction--barrier--other-barrier
construction--barrier--wall construction--flat--bike-lane
construction--flat--crosswalk-plain construction--flat--curb-cut construction--flat--parking
construction--flat--pedestrian-area construction--flat--rail-track construction--flat--road
construction--flat--service-lane construction--flat--sidewalk
construction--structure--bridge construction--structure--building
construction--structure--tunnel human--person human--rider--bicyclist
human--rider--motorcyclist human--rider--other-rider marking--crosswalk-zebra
marking--general nature--mountain nature--sand nature--sky nature--snow nature--terrain
nature--vegetation nature--water object--banner object--bench object--bike-rack
object--billboard object--catch-basin object--cctv-camera object--fire-hydrant
object--junction-box object--mailbox object--manhole object--phone-booth object--pothole
object--street-light object--support--pole object--support--traffic-sign-frame
object--support--utility-pole object--traffic-light object--traffic-sign--back
object--traffic-sign--front object--trash-can object--vehicle--bicycle object--vehicle--boat
object--vehicle--bus object--vehicle--car object--vehicle--caravan
object--vehicle--motorcycle object--vehicle--on-rails object--vehicle--other-vehicle
object--vehicle--trailer object--vehicle--truck object--vehicle--wheeled-slow
void--car-mount void--ego-vehicle void--unlabeled
""")
_MAPILLARY_20: Final = _words("""
animal--bird animal--ground-animal construction--barrier--ambiguous
construction--barrier--concrete-block construction--barrier--curb
construction--barrier--fence construction--barrier--guard-rail
construction--barrier--other-barrier construction--barrier--road-median
construction--barrier--road-side construction--barrier--separator
construction--barrier--temporary construction--barrier--wall construction--flat--bike-lane
construction--flat--crosswalk-plain construction--flat--curb-cut
construction--flat--driveway construction--flat--parking construction--flat--parking-aisle
construction--flat--pedestrian-area construction--flat--rail-track construction--flat--road
construction--flat--road-shoulder construction--flat--service-lane
construction--flat--sidewalk construction--flat--traffic-island
construction--structure--bridge construction--structure--building
construction--structure--garage construction--structure--tunnel human--person--individual
human--person--person-group human--rider--bicyclist human--rider--motorcyclist
human--rider--other-rider marking--continuous--dashed marking--continuous--solid
marking--continuous--zigzag marking--discrete--ambiguous marking--discrete--arrow--left
marking--discrete--arrow--other marking--discrete--arrow--right
marking--discrete--arrow--split-left-or-straight
marking--discrete--arrow--split-right-or-straight marking--discrete--arrow--straight
marking--discrete--crosswalk-zebra marking--discrete--give-way-row
marking--discrete--give-way-single marking--discrete--hatched--chevron
marking--discrete--hatched--diagonal marking--discrete--other-marking
marking--discrete--stop-line marking--discrete--symbol--bicycle
marking--discrete--symbol--other marking--discrete--text marking-only--continuous--dashed
marking-only--discrete--crosswalk-zebra marking-only--discrete--other-marking
marking-only--discrete--text nature--mountain nature--sand nature--sky nature--snow
nature--terrain nature--vegetation nature--water object--banner object--bench
object--bike-rack object--catch-basin object--cctv-camera object--fire-hydrant
object--junction-box object--mailbox object--manhole object--parking-meter
object--phone-booth object--pothole object--sign--advertisement object--sign--ambiguous
object--sign--back object--sign--information object--sign--other object--sign--store
object--street-light object--support--pole object--support--pole-group
object--support--traffic-sign-frame object--support--utility-pole object--traffic-cone
object--traffic-light--cyclists object--traffic-light--general-horizontal
object--traffic-light--general-single object--traffic-light--general-upright
object--traffic-light--other object--traffic-light--pedestrians
object--traffic-sign--ambiguous object--traffic-sign--back
object--traffic-sign--direction-back object--traffic-sign--direction-front
object--traffic-sign--front object--traffic-sign--information-parking
object--traffic-sign--temporary-back object--traffic-sign--temporary-front object--trash-can
object--vehicle--bicycle object--vehicle--boat object--vehicle--bus object--vehicle--car
object--vehicle--caravan object--vehicle--motorcycle object--vehicle--on-rails
object--vehicle--other-vehicle object--vehicle--trailer object--vehicle--truck
object--vehicle--vehicle-group object--vehicle--wheeled-slow object--water-valve
void--car-mount void--dynamic void--ego-vehicle void--ground void--static void--unlabeled
""")
_ADE20K: Final = _words("""
wall building sky floor tree ceiling road bed windowpane grass cabinet sidewalk person earth
door table mountain plant curtain chair car water painting sofa shelf house sea mirror rug
field armchair seat fence desk rock wardrobe lamp bathtub railing cushion base box column
signboard chest_of_drawers counter sand sink skyscraper fireplace refrigerator grandstand
path stairs runway case pool_table pillow screen_door stairway river bridge bookcase blind
coffee_table toilet flower book hill bench countertop stove palm kitchen_island computer
swivel_chair boat bar arcade_machine hovel bus towel light truck tower chandelier awning
streetlight booth television_receiver airplane dirt_track apparel pole land bannister
escalator ottoman bottle buffet poster stage van ship fountain conveyer_belt canopy washer
plaything swimming_pool stool barrel basket waterfall tent bag minibike cradle oven ball
food step tank trade_name microwave pot animal bicycle lake dishwasher screen blanket
sculpture hood sconce vase traffic_light tray ashcan fan pier crt_screen plate monitor
bulletin_board shower radiator glass clock flag
""")
_VOC: Final = _words("""
background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike
person pottedplant sheep sofa train tvmonitor
""")
_LOVEDA: Final = _words("background building road water barren forest agriculture")
_CAMVID32: Final = (
    ("Animal", (64, 128, 64), "pedestrian"),
    ("Archway", (192, 0, 128), "building"),
    ("Bicyclist", (0, 128, 192), "bicyclist"),
    ("Bridge", (0, 128, 64), "building"),
    ("Building", (128, 0, 0), "building"),
    ("Car", (64, 0, 128), "car"),
    ("CartLuggagePram", (64, 0, 192), "pedestrian"),
    ("Child", (192, 128, 64), "pedestrian"),
    ("Column_Pole", (192, 192, 128), "pole"),
    ("Fence", (64, 64, 128), "fence"),
    ("LaneMkgsDriv", (128, 0, 192), "road"),
    ("LaneMkgsNonDriv", (192, 0, 64), "road"),
    ("Misc_Text", (128, 128, 64), "sign"),
    ("MotorcycleScooter", (192, 0, 192), "bicyclist"),
    ("OtherMoving", (128, 64, 64), "car"),
    ("ParkingBlock", (64, 192, 128), "pavement"),
    ("Pedestrian", (64, 64, 0), "pedestrian"),
    ("Road", (128, 64, 128), "road"),
    ("RoadShoulder", (128, 128, 192), "pavement"),
    ("Sidewalk", (0, 0, 192), "pavement"),
    ("SignSymbol", (192, 128, 128), "sign"),
    ("Sky", (128, 128, 128), "sky"),
    ("SUVPickupTruck", (64, 128, 192), "car"),
    ("TrafficCone", (0, 0, 64), "pole"),
    ("TrafficLight", (0, 64, 64), "sign"),
    ("Train", (192, 64, 128), "car"),
    ("Tree", (128, 128, 0), "tree"),
    ("Truck_Bus", (192, 128, 192), "car"),
    ("Tunnel", (64, 0, 64), "building"),
    ("VegetationMisc", (192, 192, 0), "tree"),
    ("Void", (0, 0, 0), ""),
    ("Wall", (64, 192, 0), "building"),
)
"""Name, colour, and which of the eleven classes it belongs to."""


def _as_cityscapes(names: list[str]) -> dict[int, str]:
    """Translate names of Mapillary Vistas by their longest known start."""
    found = {}
    for raw, name in enumerate(names):
        starts = [one for one in _MAPILLARY_AS_CITYSCAPES if f"{name}--".startswith(f"{one}--")]
        if starts:
            found[raw] = _MAPILLARY_AS_CITYSCAPES[max(starts, key=len)]
    return found


def _mapillary(vocabulary: str, names: list[str]) -> PublishedIds:
    """Make the table of a version of Mapillary Vistas."""
    own = {raw: name for raw, name in enumerate(names) if not name.startswith("void--")}
    return PublishedIds({vocabulary: own, "cityscapes": _as_cityscapes(names)}, num_ids=len(names))


def _camvid32() -> PublishedIds:
    """Make the table of CamVid's 32 classes."""
    rows = [row for row in enumerate(_CAMVID32) if row[1][2]]
    return PublishedIds(
        {
            "camvid": {raw: group for raw, (_, _, group) in rows},
            "camvid32": {raw: name for raw, (name, _, _) in rows},
        },
        num_ids=len(_CAMVID32),
        colours={
            "camvid": {colour: group for _, (_, colour, group) in rows},
            "camvid32": {colour: name for _, (name, colour, _) in rows},
        },
        ignored_colours=((0, 0, 0),),
    )


_CAMVID11: Final = dict(enumerate(CAMVID_CLASSES))

OWN_TABLES: Final[dict[str, PublishedIds]] = {
    "camvid": PublishedIds({"camvid": _CAMVID11}, num_ids=12),
    "camvid11": PublishedIds({"camvid": _CAMVID11}, num_ids=12),
    "camvid32": _camvid32(),
    "ade20k": PublishedIds(
        {"ade20k": dict(enumerate(_ADE20K, start=1))},
        num_ids=151,
    ),
    "voc": PublishedIds({"voc": dict(enumerate(_VOC))}, num_ids=21),
    "mapillary-v1.2": _mapillary("mapillary-v1.2", _MAPILLARY_12),
    "mapillary-v2": _mapillary("mapillary-v2", _MAPILLARY_20),
    "loveda": PublishedIds({"loveda": dict(enumerate(_LOVEDA, start=1))}, num_ids=8),
}
"""Id map -> its table."""
